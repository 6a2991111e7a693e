export declare const VARINT = 0;
export declare const FIXED64 = 1;
export declare const BYTES = 2;
export declare const FIXED32 = 5;
/**
 * Yields the fields of a message.
 *
 * @param {Uint8Array} bytes
 * @returns {Generator<{number: number, wire: number, value: number, start: number, end: number, whole: Uint8Array}>}
 *     `value` is that of a varint; the content lies from `start` to `end`; `whole` has number and length too.
 * @throws {Error} If it is no message, or ends too early.
 */
export declare function fields(bytes: Uint8Array): Generator<{
    number: number;
    wire: number;
    value: number;
    start: number;
    end: number;
    whole: Uint8Array;
}>;
/** @param {number} number @returns {Uint8Array} */
export declare function varint(number: number): Uint8Array;
