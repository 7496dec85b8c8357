// The CUDA kernels as the bindings see them: a C++ compiler reads this without CUDA's headers.
#pragma once

#include "../common/ops.h"

namespace nsg::cuda {

// Where an op runs: a device, and the stream of it (a cudaStream_t) on which the caller computes.
struct Queue {
    int device;
    void* stream;
};

// Each throws std::runtime_error, with the op's name and CUDA's words, where the device refuses it.
#define NSG_DECLARE(op) void run(const op&, const Queue&);
NSG_OPS(NSG_DECLARE)
#undef NSG_DECLARE

// Whether a device has the shared memory that a network needs.
bool takes_mlp(const MlpShape& shape, int device);

// Architectures that the kernels were compiled for, e.g. "sm_75 sm_90 compute_90".
const char* architectures();

}  // namespace nsg::cuda
