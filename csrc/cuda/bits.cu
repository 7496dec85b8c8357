#include "cuda.h"

namespace nsg::cuda {
namespace {

__global__ void __launch_bounds__(kBlock) morton_encode_kernel(const __grid_constant__ MortonEncode a) {
    for (int64_t i = begin(); i < a.count; i += stride()) a.codes[i] = morton_encode(a.cells + 3 * i);
}

__global__ void __launch_bounds__(kBlock) morton_decode_kernel(const __grid_constant__ MortonDecode a) {
    for (int64_t i = begin(); i < a.count; i += stride()) morton_decode(a.codes[i], a.cells + 3 * i);
}

__global__ void __launch_bounds__(kBlock) pack_bits_kernel(const __grid_constant__ PackBits a) {
    for (int64_t i = begin(); i < a.bytes; i += stride()) a.packed[i] = pack_bits(a.flags + 8 * i);
}

__global__ void __launch_bounds__(kBlock) unpack_bits_kernel(const __grid_constant__ UnpackBits a) {
    for (int64_t i = begin(); i < a.bytes; i += stride()) unpack_bits(a.packed[i], a.flags + 8 * i);
}

}  // namespace

void run(const MortonEncode& a, const Queue& queue) {
    launch(queue, "morton_encode", morton_encode_kernel, a, a.count);
}

void run(const MortonDecode& a, const Queue& queue) {
    launch(queue, "morton_decode", morton_decode_kernel, a, a.count);
}

void run(const PackBits& a, const Queue& queue) { launch(queue, "pack_bits", pack_bits_kernel, a, a.bytes); }

void run(const UnpackBits& a, const Queue& queue) { launch(queue, "unpack_bits", unpack_bits_kernel, a, a.bytes); }

}  // namespace nsg::cuda
