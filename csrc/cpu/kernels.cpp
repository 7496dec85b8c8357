#include "dispatch.h"

#include "cpu.h"

namespace nsg {

#define NSG_JOIN_(a, b) a##b
#define NSG_JOIN(a, b) NSG_JOIN_(a, b)

// The kernels of this source's instruction set, e.g. kernels_avx2.
extern const Kernels NSG_JOIN(kernels_, NSG_ISA);
const Kernels NSG_JOIN(kernels_, NSG_ISA) = {
#define NSG_ADDRESS(op) static_cast<void (*)(const op&)>(NSG_ISA::run),
    NSG_OPS(NSG_ADDRESS)
#undef NSG_ADDRESS
};

}  // namespace nsg
