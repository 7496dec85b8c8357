// One step of Adam (Kingma and Ba, algorithm 1).
#pragma once

#include "platform.h"

namespace nsg {

struct AdamRates {
    float learning_rate;               // divided by the bias of the first moment
    float inverse_bias;                // 1 / sqrt of the bias of the second moment
    float beta1, beta2, rest1, rest2;  // rest = 1 - beta, rounded from double
    float eps, weight_decay;
};

struct AdamStep {
    int64_t count;
    AdamRates rates;
    bool skip_zeros, clear_gradient;
    float *parameter, *gradient, *first_moment, *second_moment;
};

inline AdamRates adam_rates(
    int64_t step, double learning_rate, double beta1, double beta2, double eps, double weight_decay) {
    const double bias1 = 1.0 - std::pow(beta1, static_cast<double>(step));
    const double bias2 = 1.0 - std::pow(beta2, static_cast<double>(step));
    const auto round = [](double x) { return static_cast<float>(x); };
    return {
        round(learning_rate / bias1),
        round(1.0 / std::sqrt(bias2)),
        round(beta1),
        round(beta2),
        round(1.0 - beta1),
        round(1.0 - beta2),
        round(eps),
        round(weight_decay)};
}

NSG_HD void adam_update(const AdamRates& a, float gradient, float& parameter, float& first, float& second) {
    const float decayed = gradient + a.weight_decay * parameter;
    first = a.beta1 * first + a.rest1 * decayed;
    second = a.beta2 * second + a.rest2 * (decayed * decayed);
    parameter -= a.learning_rate * first / (sqrtf(second) * a.inverse_bias + a.eps);
}

}  // namespace nsg
