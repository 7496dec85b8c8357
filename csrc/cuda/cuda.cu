#include "cuda.h"

#include <cstdint>
#include <stdexcept>
#include <string>

namespace nsg::cuda {

void check(cudaError_t status, const char* op) {
    if (status == cudaSuccess) return;
    std::string text = std::string(op) + ": CUDA error " + cudaGetErrorName(status) + ": " + cudaGetErrorString(status);
    if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorUnsupportedPtxVersion) {
        text += std::string("; the kernels were compiled for ") + NSG_CUDA_TARGETS +
                ": install again with -C cmake.define.NSG_CUDA_ARCHITECTURES set for this device";
    }
    throw std::runtime_error(text);
}

void check_alignment(const void* array, size_t bytes, const char* op, const char* name) {
    if (reinterpret_cast<std::uintptr_t>(array) % bytes == 0) return;
    throw std::runtime_error(
        std::string(op) + ": " + name + " begins at an address that is no multiple of " + std::to_string(bytes) +
        " bytes; pass a copy (clone())");
}

const char* architectures() { return NSG_CUDA_TARGETS; }

}  // namespace nsg::cuda
