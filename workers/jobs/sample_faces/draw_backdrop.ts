/** What is behind the person, out of focus. Different in each photo, so that nobody is known by their surroundings. */
import { ellipsePath, softFill, type Canvas } from './brush.ts';
import { css, fromHsl, mix, shade, type Colour } from './colour.ts';
import { Dice } from './dice.ts';
import type { Photo } from './photo.ts';

/** @param size of the square canvas; its transform maps to pixels */
export function drawBackdrop(context: Canvas, photo: Photo, size: number): void {
  const dice = new Dice(photo.key, 1);
  const colour = photo.backdropColour;
  const lightFromRight = photo.light.direction[0] > 0;
  const wash = (top: Colour, bottom: Colour): void => {
    const gradient = context.createLinearGradient(size * (lightFromRight ? 0.8 : 0.2), 0, size * 0.5, size);
    gradient.addColorStop(0, css(top));
    gradient.addColorStop(1, css(bottom));
    context.fillStyle = gradient;
    context.fillRect(0, 0, size, size);
  };
  const discs = (
    count: number,
    palette: readonly Colour[],
    smallest: number,
    largest: number,
    alpha: number,
  ): void => {
    for (let index = 0; index < count; index++) {
      const radius = size * dice.between(smallest, largest);
      softFill(
        context,
        ellipsePath(size * dice.between(-0.1, 1.1), size * dice.between(-0.1, 1.1), radius, radius),
        dice.pick(palette),
        alpha * dice.between(0.4, 1),
        size * dice.between(0.008, 0.03),
      );
    }
  };
  switch (photo.backdrop) {
    case 'studio': {
      const x = size * (lightFromRight ? 0.7 : 0.3);
      const gradient = context.createRadialGradient(x, size * 0.4, 0, size / 2, size / 2, size * 0.8);
      gradient.addColorStop(0, css(shade(colour, 1.15)));
      gradient.addColorStop(1, css(shade(colour, 0.5)));
      context.fillStyle = gradient;
      context.fillRect(0, 0, size, size);
      return;
    }
    case 'foliage': {
      const hue = dice.between(70, 150);
      wash(fromHsl(hue - 20, 0.35, 0.62), fromHsl(hue, 0.34, 0.24));
      discs(
        34,
        [fromHsl(hue, 0.4, 0.3), fromHsl(hue - 25, 0.42, 0.52), fromHsl(hue + 20, 0.3, 0.22)],
        0.04,
        0.14,
        0.55,
      );
      discs(14, [fromHsl(58, 0.6, 0.82), fromHsl(hue - 30, 0.5, 0.7)], 0.015, 0.05, 0.5);
      return;
    }
    case 'street': {
      wash(mix(colour, [190, 196, 206], 0.6), shade(mix(colour, [90, 84, 84], 0.6), 0.7));
      for (let index = 0; index < 9; index++) {
        const width = size * dice.between(0.06, 0.2);
        const path = new Path2D();
        path.rect(
          size * dice.between(-0.1, 1),
          size * dice.between(-0.2, 0.4),
          width,
          size * dice.between(0.4, 1.2),
        );
        softFill(
          context,
          path,
          shade(mix(colour, fromHsl(dice.between(10, 50), 0.3, 0.5), 0.5), dice.between(0.5, 1.3)),
          0.5,
          size * 0.024,
        );
      }
      discs(
        16,
        [
          [255, 214, 150],
          [255, 240, 214],
          [210, 224, 255],
          [255, 150, 120],
        ],
        0.012,
        0.04,
        0.55,
      );
      return;
    }
    case 'room': {
      wash(mix(colour, [226, 214, 198], 0.6), mix(colour, [120, 100, 84], 0.6));
      const left = size * dice.between(-0.05, 0.65);
      const windowPane = new Path2D();
      windowPane.rect(left, size * dice.between(-0.1, 0.1), size * 0.34, size * 0.5);
      softFill(context, windowPane, [250, 248, 240], 0.75, size * 0.03);
      for (let shelf = 0; shelf < 5; shelf++) {
        const path = new Path2D();
        const y = size * (0.1 + 0.2 * shelf);
        path.rect(
          size * dice.between(-0.2, 0.8),
          y,
          size * dice.between(0.2, 0.5),
          size * dice.between(0.05, 0.14),
        );
        softFill(
          context,
          path,
          shade(fromHsl(dice.between(0, 360), 0.25, 0.4), dice.between(0.6, 1.3)),
          0.4,
          size * 0.022,
        );
      }
      return;
    }
    case 'sky': {
      const hue = dice.chance(0.3) ? dice.between(14, 36) : dice.between(198, 222);
      wash(fromHsl(hue, 0.5, 0.62), fromHsl(hue - 6, 0.35, 0.86));
      discs(12, [[255, 255, 255], fromHsl(hue, 0.2, 0.9)], 0.06, 0.2, 0.4);
      const hills = ellipsePath(
        size * dice.between(0.2, 0.8),
        size * 1.1,
        size * 0.9,
        size * dice.between(0.35, 0.55),
      );
      softFill(context, hills, fromHsl(dice.between(80, 220), 0.2, 0.4), 0.8, size * 0.03);
      return;
    }
  }
}
