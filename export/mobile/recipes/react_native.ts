// Translates ids with a LiteRT file of a bundle, by react-native-fast-tflite (iOS and Android).
//
// Checked here by tsc against the types of react-native-fast-tflite 3.0.1 (README.md
// tells how). Not run here: there is no phone. What it calls, TensorFlow Lite's C API without
// signatures, was run on 2.17.1 with the same file: "TensorFlow Lite C 2.17.1 without signatures".
//
// It reaches the first subgraph alone: the greedy search of the longest source length. So a short
// text takes as long to read as the longest does (docs/mobile.md has the figure), and there is no
// beam. It loads the file with the kernels that its build has; their choice is its own.
//
// SentencePiece: @sctg/sentencepiece-js, which export/web uses, is WebAssembly, and Hermes has none.
// Take the C++ library in a native module, as ../ios and ../android build it, and give its two
// functions here as `tokenizer`.

import { loadTensorflowModel, type Tensor, type TfliteModel } from 'react-native-fast-tflite'

const PAD = 0
const EOS = 3

export interface Tokenizer {
  /** Ids of a text, without eos. */
  encode(text: string): number[]
  decode(ids: number[]): string
}

export interface Translation {
  text: string
  score: number
  finished: boolean
}

/**
 * Opens a file.
 *
 * @param source `require('./model_dynamic_int8.tflite')` or `{ url }`.
 */
export async function openTranslator(
  source: Parameters<typeof loadTensorflowModel>[0],
  tokenizer: Tokenizer
): Promise<Translator> {
  return new Translator(await loadTensorflowModel(source, []), tokenizer)
}

export class Translator {
  private readonly longest: number
  private readonly targetIds: number
  private readonly scores: number
  private readonly finished: number
  // One call at a time: the model has one set of buffers.
  private last: Promise<unknown> = Promise.resolve()

  constructor(private readonly model: TfliteModel, private readonly tokenizer: Tokenizer) {
    const [input, ...others] = model.inputs
    if (input === undefined || others.length > 0 || input.dataType !== 'int32') {
      throw new Error('The first subgraph must take source ids alone; export the bundle again.')
    }
    this.longest = input.shape[1] ?? 0
    // Without signatures the outputs have no names of ours: types and shapes tell them apart.
    this.targetIds = place(model.outputs, 'int32', 2)
    this.finished = place(model.outputs, 'int32', 1)
    this.scores = place(model.outputs, 'float32', 1)
  }

  translate(text: string): Promise<Translation> {
    const found = this.last.then(() => this.run(text))
    this.last = found.catch(() => undefined)
    return found
  }

  private async run(text: string): Promise<Translation> {
    const ids = [...this.tokenizer.encode(text), EOS]
    if (ids.length > this.longest) {
      throw new Error(`A text must have at most ${this.longest} tokens. Received: ${ids.length}.`)
    }
    const source = new Int32Array(this.longest).fill(PAD)
    source.set(ids)
    const outputs = await this.model.run([source.buffer])
    const target = Array.from(new Int32Array(output(outputs, this.targetIds)))
    const end = target.findIndex((id) => id === EOS || id === PAD)
    return {
      text: this.tokenizer.decode(end < 0 ? target : target.slice(0, end)),
      score: new Float32Array(output(outputs, this.scores))[0] ?? NaN,
      finished: new Int32Array(output(outputs, this.finished))[0] === 1,
    }
  }
}

function place(outputs: Tensor[], dataType: string, rank: number): number {
  const found = outputs.findIndex((one) => one.dataType === dataType && one.shape.length === rank)
  if (found < 0) throw new Error(`The first subgraph has no output ${dataType} of rank ${rank}.`)
  return found
}

function output(outputs: ArrayBuffer[], place: number): ArrayBuffer {
  const found = outputs[place]
  if (found === undefined) throw new Error(`The model gave ${outputs.length} outputs.`)
  return found
}
