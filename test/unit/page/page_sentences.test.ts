/**
 * Text of the page's components: Svelte drops the spaces at the edges of a block, so two sentences can run together.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'svelte/compiler';
import { expect, it } from 'vitest';

interface TemplateNode {
  readonly type: string;
  readonly data?: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

/** The fragments below a block, each with its own edges. */
const FRAGMENTS = ['consequent', 'alternate', 'body', 'fallback', 'pending', 'then', 'catch', 'fragment'];
/** The kinds of nodes that are part of a sentence. */
const INLINE = new Set(['a', 'b', 'code', 'em', 'span', 'strong', 'Term']);
const BLOCKS = new Set(['IfBlock', 'EachBlock', 'KeyBlock', 'AwaitBlock']);

function nodesOf(fragment: unknown): readonly TemplateNode[] {
  return (fragment as { nodes?: TemplateNode[] } | null | undefined)?.nodes ?? [];
}

/** Places where a space is written at the edge of a block, and text follows or precedes without one. */
export function lostSpaces(source: string): number[] {
  const places: number[] = [];
  const isText = (node: TemplateNode | undefined): node is TemplateNode & { data: string } =>
    node?.type === 'Text';
  const isInline = (node: TemplateNode | undefined): boolean =>
    node !== undefined && (node.type === 'ExpressionTag' || INLINE.has(String(node.name)));
  const endsInWord = (node: TemplateNode | undefined): boolean =>
    (isText(node) && /\S$/.test(node.data)) || isInline(node);
  const beginsWithWord = (node: TemplateNode | undefined): boolean =>
    (isText(node) && /^\S/.test(node.data)) || isInline(node);
  const beginsWithSpace = ([first, second]: readonly TemplateNode[]): boolean =>
    isText(first) && /^\s/.test(first.data) && (first.data.trim() !== '' || isInline(second));
  const endsWithSpace = (nodes: readonly TemplateNode[]): boolean => {
    const last = nodes.at(-1);
    return isText(last) && /\s$/.test(last.data) && (last.data.trim() !== '' || isInline(nodes.at(-2)));
  };

  const visit = (fragment: unknown): void => {
    const nodes = nodesOf(fragment);
    nodes.forEach((node, at) => {
      for (const key of FRAGMENTS) {
        const inner = nodesOf(node[key]);
        if (BLOCKS.has(node.type) && inner.length > 0) {
          if (endsInWord(nodes[at - 1]) && beginsWithSpace(inner)) places.push(node.start);
          if (beginsWithWord(nodes[at + 1]) && endsWithSpace(inner)) places.push(node.start);
        }
        visit(node[key]);
      }
    });
  };
  visit((parse(source, { modern: true }) as unknown as { fragment: unknown }).fragment);
  return places;
}

it('finds a space that Svelte drops', () => {
  expect(lostSpaces('<p>Epochs.{#if a} Strong ones.{/if}</p>')).toHaveLength(1);
  expect(lostSpaces('<p>{#if a}A second. {/if}Each one.</p>')).toHaveLength(1);
  expect(lostSpaces('<p>{#if a}A second.{:else}None. {/if}Each one.</p>')).toHaveLength(1);
  expect(lostSpaces('<p>{count}{#if a} {other}{/if}</p>')).toHaveLength(1);
  expect(lostSpaces('<p>Epochs. {#if a}Strong ones.{/if} Each one.</p>')).toEqual([]);
});

it('has none of them in the page', () => {
  const folder = join(import.meta.dirname, '../../../src');
  const components = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.svelte'),
  );
  expect(components.length).toBeGreaterThan(80);
  const found = components.flatMap((path) => {
    const source = readFileSync(join(folder, path), 'utf8');
    return lostSpaces(source).map((at) => `${path}:${source.slice(0, at).split('\n').length}`);
  });
  expect(found).toEqual([]);
});
