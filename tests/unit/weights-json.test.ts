/** The JSON reader agrees with JSON.parse on what is JSON, and says where a text is none. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../src/weights/json.ts";

const problem = (text: string, options = {}) => {
  const parsed = parseJson(text, options);
  return "problem" in parsed
    ? `${parsed.problem.line}:${parsed.problem.column} ${parsed.problem.reason}`
    : `fine: ${JSON.stringify(parsed.value)}`;
};

test("values are those of JSON.parse", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      expect(parseJson(text)).toEqual({ value: JSON.parse(text) });
    }),
    { seed: 11, numRuns: 500 },
  );
});

test("a text is refused exactly where JSON.parse refuses it", () => {
  const piece = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"',
    "1",
    "-",
    "0",
    ".5",
    "e3",
    "true",
    "nul",
    " ",
    "\n",
    "\\u00e9",
    "\\x",
    "\u0001",
    "NaN",
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 9 }).map((p) => p.join("")),
      (text) => {
        let expected: unknown;
        try {
          expected = { value: JSON.parse(text) };
        } catch {
          expected = undefined;
        }
        const parsed = parseJson(text);
        if (expected === undefined) expect(parsed).toHaveProperty("problem");
        else expect(parsed).toEqual(expected);
      },
    ),
    { seed: 12, numRuns: 5000 },
  );
});

test("what is wrong is said with its place", () => {
  expect(problem("")).toBe("1:1 it is empty");
  expect(problem('{\n  "a": 1\n  "b": 2\n}')).toBe('3:3 `,` or `}` should stand where `"` does');
  expect(problem('{"a": ')).toBe("1:7 it ends in the middle");
  expect(problem('{"a": NaN}')).toBe("1:7 a value should stand where `N` does");
  expect(problem('{"a": 1}}')).toBe("1:9 `}` stands after the end");
  expect(problem("[1e999]")).toBe("1:2 the number 1e999 is too large");
  expect(problem(`[1${"0".repeat(400)}]`)).toBe("1:2 the number 10000000000000000000... is too large");
  expect(problem('["ab')).toBe("1:2 a text in quotes does not end");
  expect(problem("\u0007")).toBe("1:1 a value should stand where U+0007 does");
});

test("depth is limited, so that nothing that reads the value overflows", () => {
  expect(problem("[".repeat(100_000))).toBe("1:65 it nests deeper than 64 levels");
});

test("keys that stand twice: the last counts, or it is a problem with its path", () => {
  expect(parseJson('{"a": 1, "a": 2}')).toEqual({ value: { a: 2 } });
  const parsed = parseJson('{"a": {"b": 1, "\\u0062": 2}}', { uniqueKeys: true });
  expect(parsed).toMatchObject({ problem: { duplicate: ["a", "b"], column: 16 } });
});

test("a key called __proto__ is a key", () => {
  const parsed = parseJson('{"__proto__": {"x": 1}}');
  expect("value" in parsed && Object.keys(parsed.value as object)).toEqual(["__proto__"]);
  expect("value" in parsed && (parsed.value as { x?: number }).x).toBeUndefined();
});
