// What every CPU source shares. Each is compiled once for each instruction set, in a namespace of that name.
#pragma once

#include <type_traits>

#include "../common/ops.h"

#ifndef NSG_ISA
#define NSG_ISA portable
#endif

// Widest vector that the instruction set computes on, in floats.
#if defined(__AVX512F__)
#define NSG_LANES 16
#elif defined(__AVX2__)
#define NSG_LANES 8
#else
#define NSG_LANES 4
#endif

namespace nsg {

// Vector of NSG_LANES floats, with the arithmetic of one (an extension of GCC and Clang).
typedef float Vec __attribute__((vector_size(4 * NSG_LANES)));

// Threads that a loop may use. Results never depend on it: work is cut by the data alone.
int num_threads();

namespace NSG_ISA {

#define NSG_DECLARE(op) void run(const op&);
NSG_OPS(NSG_DECLARE)
#undef NSG_DECLARE

}  // namespace NSG_ISA
}  // namespace nsg
