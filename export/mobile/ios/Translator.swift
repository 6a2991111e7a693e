// Not compiled here: no Swift compiler for iOS was at hand. It uses the C interface alone, which is
// tested on Linux.
import Foundation
import Seq2SeqTranslator

/// One translation.
struct Translation: Equatable, Sendable {
    let text: String
    /// Sum of the log-probabilities of its tokens, in nats; at most 0.
    let score: Float
    /// False if the longest length of the model cut it.
    let finished: Bool
}

/// A bundle that is not whole, a text that is too long, a model that fails: the message says which.
struct TranslatorError: LocalizedError, Equatable {
    let errorDescription: String?

    static var last: TranslatorError {
        TranslatorError(errorDescription: String(cString: seq2seq_error()))
    }
}

/// Translates texts with a bundle. Any thread may use it; the memory of the model is freed with the
/// last reference.
final class Translator: @unchecked Sendable {
    private let handle: Int64
    private let queue = DispatchQueue(label: "translator", qos: .userInitiated)

    /// Opens a bundle; not on the main thread.
    ///
    /// - Parameters:
    ///   - folder: The bundle, such as `Bundle.main.url(forResource: "bundle", withExtension: nil)`.
    ///   - quantization: Which file: "float32", or another that the bundle holds.
    ///   - beam: Whether to use the beam search of the bundle.
    ///   - check: Whether to compare the SHA-256 of the files with the manifest.
    init(
        folder: URL, quantization: String = "float32", beam: Bool = false, numThreads: Int32 = 1,
        check: Bool = true
    ) throws {
        handle = quantization.withCString { name in
            var options = seq2seq_default_options()
            options.quantization = name
            options.beam = beam ? 1 : 0
            options.num_threads = numThreads
            options.check = check ? 1 : 0
            return seq2seq_open(folder.path, &options)
        }
        if handle == 0 { throw TranslatorError.last }
    }

    deinit { seq2seq_close(handle) }

    /// Translates a text on a queue of its own; an empty text has an empty translation.
    func translate(_ text: String) async throws -> Translation {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try self.hypotheses(text)[0] }) }
        }
    }

    /// Translates a text and waits for it; the best hypothesis is the first.
    func hypotheses(_ text: String) throws -> [Translation] {
        // A String is always valid Unicode, and its UTF-8 may hold NUL: the length goes along.
        let bytes = Array(text.utf8)
        let found = bytes.withUnsafeBytes { buffer in
            seq2seq_translate(
                handle, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
        }
        // The error belongs to the thread, so it is read before anything else runs.
        guard let found else { throw TranslatorError.last }
        defer { seq2seq_delete(found) }
        return (0..<seq2seq_count(found)).map { index in
            var length = 0
            let start = seq2seq_text(found, index, &length)
            let text = UnsafeRawBufferPointer(start: start, count: length)
            return Translation(
                text: String(decoding: text, as: UTF8.self),
                score: seq2seq_score(found, index),
                finished: seq2seq_finished(found, index) != 0)
        }
    }
}
