// The Python module, and nothing else: each op takes arrays of an exact dtype and number of dimensions on the backend's
// device, compares their sizes, and hands their addresses on. bindings/ holds the ops of each subject.
#include <cstdlib>
#include <stdexcept>

#include "bindings/adam.h"
#include "bindings/bits.h"
#include "bindings/boxes.h"
#include "bindings/encode.h"
#include "bindings/frequency.h"
#include "bindings/histogram.h"
#include "bindings/lens.h"
#include "bindings/march.h"
#include "bindings/merge.h"
#include "bindings/mlp.h"
#include "bindings/occupancy.h"
#include "bindings/volume.h"
#include "cpu/dispatch.h"

#if defined(NSG_CUDA)
#include "cuda/dispatch.h"
#endif

namespace {

// The kernels for this machine's processor.
struct Cpu {
    using Device = nb::device::cpu;
    const nsg::InstructionSet* set;

#define NSG_RUN(op) \
    void run(const nsg::op& arguments) const { set->kernels->run_##op(arguments); }
    NSG_OPS(NSG_RUN)
#undef NSG_RUN
    bool takes(const nsg::MlpShape&) const { return true; }
};

// Chooses among the instruction sets that were built, best first. NSG_INSTRUCTION_SET names one, for tests.
Cpu best_cpu() {
    const char* wanted = std::getenv("NSG_INSTRUCTION_SET");
    const nsg::InstructionSet* set = nsg::instruction_set(wanted);
    if (set != nullptr) return {set};
    throw std::runtime_error(
        std::string("NSG_INSTRUCTION_SET: '") + wanted + "' is none that was built here and that this processor has");
}

#if defined(NSG_CUDA)
// The kernels for a CUDA device, on one of its streams.
struct Cuda {
    using Device = nb::device::cuda;
    nsg::cuda::Queue queue;

    template <class Op>
    void run(const Op& arguments) const {
        nsg::cuda::run(arguments, queue);
    }
    bool takes(const nsg::MlpShape& shape) const { return nsg::cuda::takes_mlp(shape, queue.device); }
};
#endif

template <class B>
void bind_all(nb::class_<B>& m) {
    bind_adam(m);
    bind_bits(m);
    bind_boxes(m);
    bind_encode(m);
    bind_frequency(m);
    bind_histogram(m);
    bind_lens(m);
    bind_march(m);
    bind_merge(m);
    bind_mlp(m);
    bind_occupancy(m);
    bind_volume(m);
}

}  // namespace

NB_MODULE(nsg_kernels, m) {
    // The descriptions of grids that Python keeps live as long as the process, which nanobind would report as leaks.
    nb::set_leak_warnings(false);
    m.attr("ABI") = 3;
    m.attr("COMPILER") = NSG_COMPILER;
    bind_hash_grid(m);
    bind_occupancy_grid(m);

    nb::class_<Cpu> cpu(m, "Cpu");
    cpu.def_prop_ro("TARGET", [](const Cpu& backend) { return backend.set->name; });
    cpu.def("set_num_threads", [](const Cpu&, int count) { nsg::set_num_threads(count); }, nb::arg("count"));
    bind_all(cpu);
    m.attr("cpu") = best_cpu();

#if defined(NSG_CUDA)
    nb::class_<Cuda> cuda(m, "Cuda");
    cuda.attr("TARGET") = nsg::cuda::architectures();
    cuda.def(
        "__init__",
        [](Cuda* self, int device, uintptr_t stream) { new (self) Cuda{{device, reinterpret_cast<void*>(stream)}}; },
        nb::arg("device"), nb::arg("stream"));
    bind_all(cuda);
    m.attr("cuda") = cuda;
#endif
}
