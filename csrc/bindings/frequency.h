#pragma once

#include "arrays.h"

template <class B>
void bind_frequency(nb::class_<B>& m) {
    define(
        m, "frequency_encode_forward", {"count", "lowest", "means", "variances", "encoded"},
        [](const B& backend, int count, int lowest, In<B, 2> means, std::optional<In<B, 2>> variances,
           Out<B, 2> encoded) {
            const int64_t n = length(means);
            const auto dims = static_cast<int32_t>(means.shape(1));
            require(count >= 1 && lowest >= -64 && lowest + count <= 64, "expected frequencies from 2^-64 to 2^63");
            if (variances) expect("variances", *variances, {n, dims});
            expect("encoded", encoded, {n, 2 * count * dims});
            backend.run(
                nsg::FrequencyEncodeForward{n, dims, count, lowest, means.data(), address(variances), encoded.data()});
        });
    define(
        m, "frequency_encode_backward",
        {"count", "lowest", "means", "variances", "grad_encoded", "grad_means", "grad_variances"},
        [](const B& backend, int count, int lowest, In<B, 2> means, std::optional<In<B, 2>> variances,
           In<B, 2> grad_encoded, Out<B, 2> grad_means, std::optional<Out<B, 2>> grad_variances) {
            const int64_t n = length(means);
            const auto dims = static_cast<int32_t>(means.shape(1));
            require(count >= 1 && lowest >= -64 && lowest + count <= 64, "expected frequencies from 2^-64 to 2^63");
            require(variances.has_value() == grad_variances.has_value(), "variances and grad_variances go together");
            if (variances) expect("variances", *variances, {n, dims});
            if (grad_variances) expect("grad_variances", *grad_variances, {n, dims});
            expect("grad_encoded", grad_encoded, {n, 2 * count * dims});
            expect("grad_means", grad_means, {n, dims});
            backend.run(
                nsg::FrequencyEncodeBackward{
                    n, dims, count, lowest, means.data(), address(variances), grad_encoded.data(), grad_means.data(),
                    address(grad_variances)});
        });
}
