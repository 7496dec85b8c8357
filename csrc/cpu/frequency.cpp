#include "cpu.h"

namespace nsg::NSG_ISA {

void run(const FrequencyEncodeForward& a) {
    const int64_t width = 2 * static_cast<int64_t>(a.count) * a.dims;
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t i = 0; i < a.points; ++i) {
        for (int32_t k = 0; k < a.count; ++k) {
            const float frequency = power_of_two(a.lowest + k);
            float *sines = a.encoded + i * width + 2 * k * a.dims, *cosines = sines + a.dims;
            for (int32_t d = 0; d < a.dims; ++d) {
                const Waves wave = waves(a.means[i * a.dims + d] * frequency);
                const float left = a.variances ? damping(frequency, a.variances[i * a.dims + d]) : 1.0f;
                sines[d] = wave.sine * left;
                cosines[d] = wave.cosine * left;
            }
        }
    }
}

void run(const FrequencyEncodeBackward& a) {
    const int64_t width = 2 * static_cast<int64_t>(a.count) * a.dims;
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t i = 0; i < a.points; ++i) {
        for (int32_t d = 0; d < a.dims; ++d) {
            float by_mean = 0.0f, by_variance = 0.0f;
            for (int32_t k = 0; k < a.count; ++k) {
                const float frequency = power_of_two(a.lowest + k);
                const float* grad = a.grad_encoded + i * width + 2 * k * a.dims + d;
                const Waves wave = waves(a.means[i * a.dims + d] * frequency);
                const float left = a.variances ? damping(frequency, a.variances[i * a.dims + d]) : 1.0f;
                by_mean += frequency * left * (grad[0] * wave.cosine - grad[a.dims] * wave.sine);
                by_variance -= 0.5f * frequency * frequency * left * (grad[0] * wave.sine + grad[a.dims] * wave.cosine);
            }
            a.grad_means[i * a.dims + d] = by_mean;
            if (a.variances) a.grad_variances[i * a.dims + d] = by_variance;
        }
    }
}

}  // namespace nsg::NSG_ISA
