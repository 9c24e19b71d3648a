/**
 * @file NumPy's files of one array, versions 1 to 3 of the format
 * (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
 */
import { aligned, toFloat32 } from "../weights/dtypes.ts";
import { permute, type Elements } from "../weights/permute.ts";

export type NumberArray = Float64Array | Float32Array | BigInt64Array | Int32Array | Uint8Array;

export interface NpyArray {
  readonly data: NumberArray;
  readonly dims: readonly number[];
}

/** How NumPy writes the dtypes that are read, all little-endian. */
const KINDS: Readonly<Record<string, { readonly width: number; readonly of: (bytes: Uint8Array) => NumberArray }>> = {
  "<f8": { width: 8, of: (b) => new Float64Array(b.buffer, b.byteOffset, b.length / 8) },
  "<f4": { width: 4, of: (b) => new Float32Array(b.buffer, b.byteOffset, b.length / 4) },
  "<f2": { width: 2, of: (b) => toFloat32("F16", b) },
  "<i8": { width: 8, of: (b) => new BigInt64Array(b.buffer, b.byteOffset, b.length / 8) },
  "<i4": { width: 4, of: (b) => new Int32Array(b.buffer, b.byteOffset, b.length / 4) },
  "|b1": { width: 1, of: (b) => b },
  "|u1": { width: 1, of: (b) => b },
};

/** The array of a file; `reason` follows the file's name in a message. */
export function readNpy(bytes: Uint8Array): NpyArray | { readonly reason: string } {
  if (bytes.length < 10 || String.fromCharCode(...bytes.subarray(0, 6)) !== "\x93NUMPY")
    return { reason: "is no .npy file: it does not begin as one" };
  const version = bytes[6]!;
  if (version < 1 || version > 3) return { reason: `is a .npy file of version ${version}; 1 to 3 are read` };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = version === 1 ? 10 : 12;
  if (bytes.length < start) return { reason: "is cut short" };
  const end = start + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (end > bytes.length) return { reason: "is cut short" };
  // A Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, end));
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const fortran = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (descr === undefined || fortran === undefined || shape === undefined)
    return { reason: "has a header that is not that of one plain array" };
  const kind = Object.hasOwn(KINDS, descr) ? KINDS[descr]! : undefined;
  if (!kind)
    return { reason: `holds numbers of the type '${descr.slice(0, 20)}'; ${Object.keys(KINDS).join(", ")} are read` };
  const dims = shape
    .split(",")
    .map((d) => d.trim())
    .filter((d) => d !== "")
    .map(Number);
  const needed = dims.reduce((n, d) => n * d, kind.width);
  const has = bytes.length - end;
  if (needed !== has)
    return { reason: `holds ${has} bytes of numbers; the shape (${dims.join(", ")}) of '${descr}' takes ${needed}` };
  const data = kind.of(aligned(bytes.subarray(end), kind.width));
  return { data: fortran === "True" ? rowMajor(data, dims) : data, dims };
}

/** From the order in which the first axis is the fastest. */
function rowMajor<T extends NumberArray & Elements>(data: T, dims: readonly number[]): T {
  return permute(data, { shape: dims.toReversed(), from: dims.map((_, i) => dims.length - 1 - i) });
}
