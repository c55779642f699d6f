/** Constants for writing and reading ONNX files. */

/** TensorProto.DataType */
export const ONNX_FLOAT = 1;

export const ONNX_FLOAT16 = 10;

/** The suffix of a float16 weight. The Cast to float32 after it has the name without suffix. */
export const FLOAT16_SUFFIX = '/float16';
