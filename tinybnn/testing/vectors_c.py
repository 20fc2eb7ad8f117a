"""Golden vectors as a C header, with a harness that runs a kernel on them and prints where it is wrong.

There are four files. ``vectors.h`` declares arrays and options, ``OPERATION.h`` has the numbers, and ``harness.c``
compares. The kernel is written into ``candidate.c``: it reads its arguments by name and fills the result.
"""

from typing import Any

import numpy as np

from ..notation import Array
from .vectors import Vector

C_TYPES = {
    "float32": "float",
    "float64": "double",
    "bool": "uint8_t",
    **{f"{u}int{n}": f"{u}int{n}_t" for u in ("", "u") for n in (8, 16, 32, 64)},
}


def c_files(name: str, calls: list[Vector], meta: dict[str, Any]) -> dict[str, str]:
    """The text of every file, by its name."""
    return {
        "vectors.h": VECTORS_H,
        f"{name}.h": header(name, calls, meta),
        "harness.c": HARNESS_C.replace("OPERATION", name),
        "candidate.c": candidate(name, calls[0]),
    }


def header(name: str, calls: list[Vector], meta: dict[str, Any]) -> str:
    about = f"{name}, specification version {meta['version']}, seed {meta['seed']}, words of {meta['word_bits']} bits"
    lines = [f"/* {about}.", f"   sha256 of the arrays: {meta['sha256']} */", '#include "vectors.h"', ""]
    for i, call in enumerate(calls):
        for way, arrays in (("in", call.inputs), ("out", call.outputs)):
            for key, a in arrays.items():
                lines.append(f"static const {C_TYPES[a.dtype.name]} v{i}_{way}_{key}[] = {{{numbers(a)}}};")
            entries = ", ".join(
                f'{{"{key}", "{a.dtype.name}", {dims(a)}, v{i}_{way}_{key}}}' for key, a in arrays.items()
            )
            lines.append(f"static const tensor v{i}_{way}[] = {{{entries}}};")
        chosen = ", ".join(option(key, value) for key, value in call.options.items())
        lines.append(f"static const option v{i}_options[] = {{{chosen or '{0}'}}};")
    rows = ",\n".join(
        f"  {{{len(call.inputs)}, v{i}_in, {len(call.options)}, v{i}_options, {len(call.outputs)}, v{i}_out, "
        f"{call.bound!r}}}"
        for i, call in enumerate(calls)
    )
    return "\n".join([*lines, "", f"static const vector vectors[] = {{\n{rows}\n}};", ""])


def dims(a: Array) -> str:
    """The number of axes, their sizes, the number of elements."""
    return f"{a.ndim}, {{{', '.join(map(str, a.shape)) or '0'}}}, {a.size}"


def numbers(a: Array) -> str:
    if a.dtype.kind == "f":
        return ", ".join(real(v) for v in a.ravel().tolist()) or "0"
    suffix = {"uint64": "ULL", "int64": "LL"}.get(a.dtype.name, "")
    text = hex if a.dtype.kind == "u" else lambda v: str(int(v))
    return ", ".join(text(v) + suffix for v in a.ravel().tolist()) or "0"


def real(v: float) -> str:
    """A float in hexadecimal notation, which C reads without rounding."""
    if np.isnan(v) or np.isinf(v):
        return "NAN" if np.isnan(v) else ("-" if v < 0 else "") + "INFINITY"
    return v.hex()


def option(key: str, value: Any) -> str:
    """An option: up to eight whole numbers, a float, or a name. None has no numbers."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(v, str) for v in items):
        return f'{{"{key}", 0, {{0}}, 0, "{" ".join(map(str, items))}"}}'
    if value is None:
        return f'{{"{key}", 0, {{0}}, 0, ""}}'
    integers = ", ".join(str(int(v)) for v in items)
    return f'{{"{key}", {len(items)}, {{{integers}}}, {float(items[0])!r}, ""}}'


def candidate(name: str, call: Vector) -> str:
    """A file to start with: it reads every argument and option by name."""
    lines = [
        f"/* {name}: fill results[0] and return 0; any other value says that the kernel cannot do these options. */"
    ]
    lines += ['#include "vectors.h"', "", "int candidate(const vector *call, void *const *results) {"]
    for key, a in call.inputs.items():
        ctype = C_TYPES[a.dtype.name]
        lines.append(f'  const {ctype} *{key} = input(call, "{key}")->data; /* {a.ndim} axes, ->shape */')
    for key, value in call.options.items():
        if option(key, value).endswith('""}') and value is not None:
            lines.append(f'  const long *{key} = chosen(call, "{key}")->integers;')
    (out, y), *_ = call.outputs.items()
    lines += [f"  {C_TYPES[y.dtype.name]} *{out} = results[0];", "  return -1; /* not written yet */", "}", ""]
    return "\n".join(lines)


VECTORS_H = """\
/* Golden vectors: arrays by name, row-major; options by name. */
#ifndef TINYBNN_VECTORS_H
#define TINYBNN_VECTORS_H
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct { const char *name, *dtype; int axes; long shape[8]; long size; const void *data; } tensor;
typedef struct { const char *name; int count; long integers[8]; double real; const char *text; } option;
typedef struct {
  int input_count; const tensor *inputs;
  int option_count; const option *options;
  int output_count; const tensor *outputs;
  double bound; /* how far a float may be off; 0: equal */
} vector;

static inline const tensor *input(const vector *v, const char *name) {
  for (int i = 0; i < v->input_count; i++)
    if (!strcmp(v->inputs[i].name, name)) return &v->inputs[i];
  return 0;
}

static inline const option *chosen(const vector *v, const char *name) {
  for (int i = 0; i < v->option_count; i++)
    if (!strcmp(v->options[i].name, name)) return &v->options[i];
  return 0;
}

/* Yours: fill results[0], results[1], ... and return 0. */
int candidate(const vector *call, void *const *results);
#endif
"""

HARNESS_C = """\
/* Runs candidate() on every vector: cc -std=c99 -o check harness.c candidate.c -lm && ./check */
#include <stdio.h>
#include <stdlib.h>
#include "OPERATION.h"

static int width(const char *dtype) {
  if (!strcmp(dtype, "bool")) return 1;
  const char *digits = dtype + strcspn(dtype, "0123456789");
  return atoi(digits) / 8;
}

static double number(const tensor *t, const void *data, long i) {
  if (!strcmp(t->dtype, "float32")) return ((const float *)data)[i];
  if (!strcmp(t->dtype, "float64")) return ((const double *)data)[i];
  if (!strcmp(t->dtype, "int32")) return ((const int32_t *)data)[i];
  if (!strcmp(t->dtype, "bool") || !strcmp(t->dtype, "uint8")) return ((const uint8_t *)data)[i];
  return 0;
}

static int differs(const tensor *t, const void *got, long i, double bound) {
  int bytes = width(t->dtype);
  if (strncmp(t->dtype, "float", 5))
    return memcmp((const char *)got + i * bytes, (const char *)t->data + i * bytes, bytes) != 0;
  double g = number(t, got, i), e = number(t, t->data, i);
  return !(g == e || (g != g && e != e) || fabs(g - e) <= bound);
}

int main(void) {
  int count = sizeof vectors / sizeof *vectors, passed = 0;
  for (int k = 0; k < count; k++) {
    const vector *v = &vectors[k];
    void *out[8];
    for (int o = 0; o < v->output_count; o++) out[o] = calloc(v->outputs[o].size + 1, 8);
    int ok = candidate(v, out) == 0;
    if (!ok) printf("OPERATION: vector %d: candidate() refused\\n", k);
    for (int o = 0; ok && o < v->output_count; o++)
      for (long i = 0; ok && i < v->outputs[o].size; i++)
        if (differs(&v->outputs[o], out[o], i, v->bound)) {
          ok = 0;
          if (v->outputs[o].dtype[0] == 'u' && strcmp(v->outputs[o].dtype, "uint8")) {
            printf("OPERATION: vector %d: %s[%ld] is wrong, bytes differ\\n", k, v->outputs[o].name, i);
          } else {
            printf("OPERATION: vector %d: %s[%ld] is %.9g, expected %.9g\\n", k, v->outputs[o].name, i,
                   number(&v->outputs[o], out[o], i), number(&v->outputs[o], v->outputs[o].data, i));
          }
        }
    for (int o = 0; o < v->output_count; o++) free(out[o]);
    passed += ok;
  }
  printf("OPERATION: %d of %d vectors pass\\n", passed, count);
  return passed == count ? 0 : 1;
}
"""
