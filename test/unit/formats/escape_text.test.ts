/** Untrusted text in each place where it is used. The result is read by the rules of that place. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Output, type OutputStream } from '../../../cli/arguments/output.ts';
import {
  csvCell,
  isSafeFileName,
  javascriptString,
  lineText,
  markdownText,
  pythonString,
  safeFileName,
  terminalText,
} from '../../../workers/protocol/escape_text.ts';

const HOSTILE = [
  'x"); __import__("os").system("true") #',
  "x'); process.exit() //",
  'a\nb\r\nc',
  '/../evil',
  '\u001b[2J\u009b31mred',
  'photo\u202egnp.exe',
  '</script><script>alert(1)</script>',
  '\\',
  '\u2028',
  '${x}',
  '`id`',
  '\ud800',
];

describe('a name of a file', () => {
  it('stays in its folder on any system', () => {
    expect(safeFileName('/../evil')).toBe('evil');
    expect(safeFileName('..')).toBe('model');
    expect(safeFileName('C:\\x')).toBe('C-x');
    expect(safeFileName('-rf')).toBe('rf');
    expect(safeFileName('con.safetensors')).toBe('_con.safetensors');
    expect(safeFileName('a. ')).toBe('a');
    expect(safeFileName(`${'x'.repeat(300)}.onnx`)).toMatch(/^x{115}\.onnx$/);
    for (const name of ['model-20180402-114759-275.safetensors', 'Zoë Müller', '山田', '20260101-120000'])
      expect(safeFileName(name)).toBe(name);
    for (const text of HOSTILE) {
      expect(safeFileName(text)).not.toMatch(/[/\\:*?"<>|\p{Cc}]|^\.|^-/u);
      expect(isSafeFileName(text)).toBe(false);
    }
  });
});

describe('a text in code', () => {
  it('is one literal of Python, with the same value', () => {
    const { status, stdout } = spawnSync(
      '/usr/bin/python3',
      ['-c', `import json; print(json.dumps([${HOSTILE.map(pythonString).join(', ')}]))`],
      { encoding: 'utf8' },
    );
    // Without Python, JavaScript's rules are used, which are the same for such a literal.
    const read: unknown =
      status === 0 ? JSON.parse(stdout) : HOSTILE.map((text) => JSON.parse(pythonString(text)));
    expect(read).toEqual(HOSTILE);
  });

  it('is one literal of JavaScript, with the same value, also within a page', () => {
    for (const text of HOSTILE) {
      const literal = javascriptString(text);
      expect(literal).toMatch(/^'(?:[^'\\\n]|\\.)*'$/);
      expect(literal).not.toContain('<');
      const asJson = `"${literal
        .slice(1, -1)
        .replaceAll("\\'", "'")
        .replaceAll(/(?<!\\)"/g, '\\"')}"`;
      expect(JSON.parse(asJson)).toBe(text);
    }
  });
});

describe('a text for people', () => {
  it('is not markup in Markdown', () => {
    expect(markdownText('# [a](javascript:x) <b> | `c` *d*\n- e')).toBe(
      '\\# \\[a\\]\\(javascript:x\\) \\<b\\> \\| \\`c\\` \\*d\\*\\u000a- e'.replace('\\u', '\\\\u'),
    );
  });

  it('is not a formula in a spreadsheet', () => {
    for (const formula of ['=1+1', '+1', '-1', '@SUM(A1)', ' =1', '＝1'])
      expect(csvCell(formula)).toBe(`'${formula}`);
    expect(csvCell('=HYPERLINK("x","y")')).toBe(`"'=HYPERLINK(""x"",""y"")"`);
    expect(csvCell('\t=1')).toBe('\\u0009=1');
    expect(csvCell('a\r\n=1')).toBe('\\u000d\\u000a=1'.replace(/^/, 'a'));
    expect(csvCell('Ann, "Annie"')).toBe('"Ann, ""Annie"""');
  });

  it('moves no terminal, in any line and on the progress line', () => {
    let written = '';
    const stream = { isTTY: true, columns: 200, write: (text: string) => void (written += text) };
    const output = new Output(stream as unknown as OutputStream);
    for (const text of HOSTILE) {
      output.line(text);
      output.progress(text);
      output.clearProgress();
    }
    // Only the program's own codes for its progress line, and the ends of its lines, are left.
    const rest = written.replaceAll('\r\u001b[2K', '').replaceAll('\n', '');
    expect(rest).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069\u2028]/u);
    expect(written.split('\n')).toHaveLength(HOSTILE.length + 1);
    expect(rest).toContain('photo\\u202egnp.exe');
    expect(terminalText('a\tb')).toBe('a\tb');
  });

  it('keeps JSON the same JSON, and names in any script as they are', () => {
    const value = { name: HOSTILE.join(' ') };
    expect(JSON.parse(terminalText(JSON.stringify(value)))).toEqual(value);
    for (const name of ['Zoë', '山田 太郎', 'علی‌رضا', '👩‍👧', 'Ñandú']) expect(lineText(name)).toBe(name);
  });
});
