/**
 * Reads the colours of transparent pixels. A 2D canvas stores colours multiplied by alpha, so these colours are lost.
 * A WebGL texture keeps them.
 */
export class StraightAlphaReader {
  readonly #context = new OffscreenCanvas(1, 1).getContext('webgl2');

  /**
   * @param width, height size of a piece of the bitmap, pixels
   * @returns [height, width, 4]; undefined without WebGL, or for pieces larger than its textures
   */
  read(
    bitmap: ImageBitmap,
    left: number,
    top: number,
    width: number,
    height: number,
  ): Uint8Array | undefined {
    const gl = this.#context;
    if (!gl) return undefined;
    const largest = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
    if (Math.max(width, height) > largest) return undefined;
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    const texture = gl.createTexture();
    const framebuffer = gl.createFramebuffer();
    try {
      gl.bindTexture(gl.TEXTURE_2D, texture);
      if (bitmap.width === width && bitmap.height === height)
        gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
      else {
        gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, left);
        gl.pixelStorei(gl.UNPACK_SKIP_ROWS, top);
        gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
        gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, 0);
        gl.pixelStorei(gl.UNPACK_SKIP_ROWS, 0);
      }
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
      if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return undefined;
      const rgba = new Uint8Array(width * height * 4);
      gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
      return rgba;
    } finally {
      gl.deleteFramebuffer(framebuffer);
      gl.deleteTexture(texture);
    }
  }

  dispose(): void {
    this.#context?.getExtension('WEBGL_lose_context')?.loseContext();
  }
}
