// Forward, a thread for each angle, so that neighbors write side by side; backward, one for each coordinate.
#include "cuda.h"

namespace nsg::cuda {
namespace {

__global__ void __launch_bounds__(kBlock) frequency_encode_kernel(const __grid_constant__ FrequencyEncodeForward a) {
    const int64_t angles = static_cast<int64_t>(a.count) * a.dims;
    for (int64_t n = begin(); n < a.points * angles; n += stride()) {
        const int64_t point = n / angles;
        const auto angle = static_cast<int32_t>(n - point * angles);
        const int32_t k = angle / a.dims, d = angle - k * a.dims;
        const int64_t i = point * a.dims + d;
        const float frequency = power_of_two(a.lowest + k);
        const Waves wave = waves(a.means[i] * frequency);
        const float left = a.variances ? damping(frequency, a.variances[i]) : 1.0f;
        float* sine = a.encoded + 2 * (point * angles + k * a.dims) + d;
        sine[0] = wave.sine * left;
        sine[a.dims] = wave.cosine * left;
    }
}

__global__ void __launch_bounds__(kBlock)
    frequency_encode_backward_kernel(const __grid_constant__ FrequencyEncodeBackward a) {
    const int64_t angles = static_cast<int64_t>(a.count) * a.dims;
    for (int64_t i = begin(); i < a.points * a.dims; i += stride()) {
        const int64_t point = i / a.dims, d = i - point * a.dims;
        const float mean = a.means[i], variance = a.variances ? a.variances[i] : 0.0f;
        float by_mean = 0.0f, by_variance = 0.0f;
        for (int32_t k = 0; k < a.count; ++k) {
            const float frequency = power_of_two(a.lowest + k);
            const float* grad = a.grad_encoded + 2 * (point * angles + k * a.dims) + d;
            const Waves wave = waves(mean * frequency);
            const float left = a.variances ? damping(frequency, variance) : 1.0f;
            by_mean += frequency * left * (grad[0] * wave.cosine - grad[a.dims] * wave.sine);
            by_variance -= 0.5f * frequency * frequency * left * (grad[0] * wave.sine + grad[a.dims] * wave.cosine);
        }
        a.grad_means[i] = by_mean;
        if (a.variances) a.grad_variances[i] = by_variance;
    }
}

}  // namespace

void run(const FrequencyEncodeForward& a, const Queue& queue) {
    launch(queue, "frequency_encode_forward", frequency_encode_kernel, a, a.points * a.count * a.dims);
}

void run(const FrequencyEncodeBackward& a, const Queue& queue) {
    launch(queue, "frequency_encode_backward", frequency_encode_backward_kernel, a, a.points * a.dims);
}

}  // namespace nsg::cuda
