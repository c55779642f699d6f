/** Numbers and names that an ONNX file is written with and read by. */

/** TensorProto.DataType */
export const ONNX_FLOAT = 1;

export const ONNX_FLOAT16 = 10;

/** A float16 weight has this behind its name; a Cast to float32 takes the name itself. */
export const FLOAT16_SUFFIX = '/float16';
