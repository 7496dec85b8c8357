// The CPU kernels of every instruction set that was built, and the choice between them.
#pragma once

#include "../common/ops.h"

namespace nsg {

// One function for each op.
struct Kernels {
#define NSG_MEMBER(op) void (*run_##op)(const op&);
    NSG_OPS(NSG_MEMBER)
#undef NSG_MEMBER
};

struct InstructionSet {
    const char* name;
    bool (*is_supported)();
    const Kernels* kernels;
};

// The best that this processor supports, or the one that was asked for by name; null for an unknown or unsupported one.
const InstructionSet* instruction_set(const char* name = nullptr);

void set_num_threads(int count);

}  // namespace nsg
