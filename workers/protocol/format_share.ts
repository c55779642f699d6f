/** A share of 0 … 1 in percent, in the reader's own notation: the page, the terminal and all messages write it this way. */
export function formatShare(share: number, digits = 1): string {
  return new Intl.NumberFormat(undefined, {
    style: 'percent',
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(share);
}
