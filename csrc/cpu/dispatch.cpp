#include "dispatch.h"

#include <cstring>

namespace nsg {
namespace {

int threads = 1;

}  // namespace

// Best first.
#if defined(__x86_64__)
#define NSG_INSTRUCTION_SETS(X) X(avx512) X(avx2) X(portable)
#else
#define NSG_INSTRUCTION_SETS(X) X(portable)
#endif

#define NSG_DECLARE_ISA(isa) extern const Kernels kernels_##isa;
NSG_INSTRUCTION_SETS(NSG_DECLARE_ISA)
#undef NSG_DECLARE_ISA

namespace {

bool has_portable() { return true; }

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
#endif

const InstructionSet kSets[] = {
#define NSG_ENTRY(isa) {#isa, has_##isa, &kernels_##isa},
    NSG_INSTRUCTION_SETS(NSG_ENTRY)
#undef NSG_ENTRY
};

}  // namespace

const InstructionSet* instruction_set(const char* name) {
    for (const InstructionSet& set : kSets) {
        if ((name == nullptr || std::strcmp(name, set.name) == 0) && set.is_supported()) return &set;
    }
    return nullptr;
}

void set_num_threads(int count) { threads = count < 1 ? 1 : count; }

int num_threads() { return threads; }

}  // namespace nsg
