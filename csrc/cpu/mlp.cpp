#include <cstdlib>
#include <cstring>

#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

// Register tiles: kRows outputs times kVecs vectors of points for products with weights; kRows outputs times kColumns
// inputs, one for each lane, for the gradient of the weights.
constexpr int kP = kMlpBlock;
constexpr int kRows = 4;
constexpr int kVecs = NSG_LANES == 16 ? 4 : 2;
constexpr int kGradRows = NSG_LANES == 4 ? 2 : 4;
constexpr int kGradColumns = NSG_LANES / kGradRows;

typedef int IndexVec __attribute__((vector_size(4 * NSG_LANES)));

#if defined(__clang__)
#define NSG_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define NSG_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (IndexVec){__VA_ARGS__})
#endif

// The lanes of the lower (upper) halves of two vectors in turn.
#if NSG_LANES == 16
Vec lower(Vec a, Vec b) { return NSG_SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); }
Vec upper(Vec a, Vec b) { return NSG_SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31); }
#elif NSG_LANES == 8
Vec lower(Vec a, Vec b) { return NSG_SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
Vec upper(Vec a, Vec b) { return NSG_SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#else
Vec lower(Vec a, Vec b) { return NSG_SHUFFLE(a, b, 0, 4, 1, 5); }
Vec upper(Vec a, Vec b) { return NSG_SHUFFLE(a, b, 2, 6, 3, 7); }
#endif

// Returns the sum of the lanes of NSG_LANES vectors: that of the k-th in lane k.
Vec sums(Vec* vectors) {
    for (int half = NSG_LANES / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; ++k) {
            vectors[k] = lower(vectors[k], vectors[k + half]) + upper(vectors[k], vectors[k + half]);
        }
    }
    return vectors[0];
}

Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
void store(float* to, Vec value) { *reinterpret_cast<Vec*>(to) = value; }

enum class After { kNothing, kRelu, kReluGradient };

// out[rows, kP] = weights[rows, inputs] in[inputs, kP]; then ReLU, or its gradient given the activations.
template <After after>
void multiply(const float* weights, int rows, int inputs, const float* in, float* out, const float* activations) {
    for (int p = 0; p < kP; p += kVecs * NSG_LANES) {
        for (int row = 0; row < rows; row += kRows) {
            Vec sum[kRows][kVecs] = {};
            const float* w = weights + row * inputs;
            for (int i = 0; i < inputs; ++i) {
                Vec x[kVecs];
                for (int v = 0; v < kVecs; ++v) x[v] = load(in + i * kP + p + v * NSG_LANES);
                for (int r = 0; r < kRows; ++r) {
                    for (int v = 0; v < kVecs; ++v) sum[r][v] += w[r * inputs + i] * x[v];
                }
            }
            for (int r = 0; r < kRows; ++r) {
                for (int v = 0; v < kVecs; ++v) {
                    const int at = (row + r) * kP + p + v * NSG_LANES;
                    Vec value = sum[r][v];
                    if (after == After::kRelu) value = value > 0.0f ? value : value * 0.0f;
                    if (after == After::kReluGradient) value = load(activations + at) > 0.0f ? value : value * 0.0f;
                    store(out + at, value);
                }
            }
        }
    }
}

// gradient[rows, columns] += a[rows, kP] b[columns, kP]^T
void multiply_transposed(const float* a, int rows, const float* b, int columns, float* gradient) {
    for (int row = 0; row < rows; row += kGradRows) {
        for (int column = 0; column < columns; column += kGradColumns) {
            Vec sum[NSG_LANES] = {};
            for (int p = 0; p < kP; p += NSG_LANES) {
                Vec y[kGradColumns];
                for (int c = 0; c < kGradColumns; ++c) y[c] = load(b + (column + c) * kP + p);
                for (int r = 0; r < kGradRows; ++r) {
                    const Vec x = load(a + (row + r) * kP + p);
                    for (int c = 0; c < kGradColumns; ++c) sum[r * kGradColumns + c] += x * y[c];
                }
            }
            const Vec total = sums(sum);
            for (int r = 0; r < kGradRows; ++r) {
                for (int c = 0; c < kGradColumns; ++c) {
                    gradient[(row + r) * columns + column + c] += total[r * kGradColumns + c];
                }
            }
        }
    }
}

// Memory of one run, in whole cache lines.
class Buffer {
  public:
    explicit Buffer(int64_t floats) : data_(nullptr) {
        if (posix_memalign(reinterpret_cast<void**>(&data_), 64, static_cast<size_t>(floats + 16) * sizeof(float)))
            abort();
    }
    ~Buffer() { free(data_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    float* at(int64_t offset) { return data_ + offset; }
    void clear(int64_t floats) { memset(data_, 0, static_cast<size_t>(floats) * sizeof(float)); }

  private:
    float* data_;
};

// Sizes and places of what belongs to each layer, with widths rounded up.
struct Plan {
    int layers;
    int64_t points, blocks;
    int width[kMaxLayers + 1];
    int64_t weights[kMaxLayers + 1];  // first of each layer, and the total
    int64_t hidden[kMaxLayers + 1];   // first row of each hidden layer, and the total at [layers]

    explicit Plan(const MlpShape& shape)
        : layers(shape.layers), points(shape.points), blocks((shape.points + kP - 1) / kP), weights{}, hidden{} {
        for (int l = 0; l <= layers; ++l) width[l] = padded_width(shape.sizes[l]);
        for (int l = 0; l < layers; ++l) {
            weights[l + 1] = weights[l] + static_cast<int64_t>(width[l]) * width[l + 1];
            hidden[l + 1] = hidden[l] + (l + 1 < layers ? width[l + 1] : 0);
        }
    }

    int count(int64_t block) const {
        const int64_t left = points - block * kP;
        return static_cast<int>(left < kP ? left : kP);
    }
};

// Copies weights into rows and columns of rounded width; transposed on request.
void pad_weights(const MlpShape& shape, const Plan& plan, const float* const* weights, bool transposed, Buffer& to) {
    to.clear(plan.weights[plan.layers]);
    for (int l = 0; l < plan.layers; ++l) {
        const int outputs = shape.sizes[l + 1], inputs = shape.sizes[l];
        for (int o = 0; o < outputs; ++o) {
            for (int i = 0; i < inputs; ++i) {
                const int64_t at = transposed ? i * plan.width[l + 1] + o : o * plan.width[l] + i;
                *to.at(plan.weights[l] + at) = weights[l][o * inputs + i];
            }
        }
    }
}

// Copies the columns of one block; what lies beyond the last row or point is zero.
void gather(const float* from, int rows, const Plan& plan, int64_t block, float* to) {
    const int count = plan.count(block);
    for (int r = 0; r < padded_width(rows); ++r) {
        const int valid = r < rows ? count : 0;
        if (valid) memcpy(to + r * kP, from + r * plan.points + block * kP, valid * sizeof(float));
        memset(to + r * kP + valid, 0, (kP - valid) * sizeof(float));
    }
}

void scatter(const float* from, int rows, const Plan& plan, int64_t block, float* to) {
    const int count = plan.count(block);
    for (int r = 0; r < rows; ++r) memcpy(to + r * plan.points + block * kP, from + r * kP, count * sizeof(float));
}

}  // namespace

void run(const MlpForward& a) {
    const Plan plan(a.shape);
    Buffer weights(plan.weights[plan.layers]);
    pad_weights(a.shape, plan, a.weights, false, weights);
#pragma omp parallel num_threads(num_threads())
    {
        Buffer scratch(3 * kMaxWidth * kP);
        float *input = scratch.at(0), *spare = scratch.at(2 * kMaxWidth * kP);
#pragma omp for schedule(dynamic, 4)
        for (int64_t block = 0; block < plan.blocks; ++block) {
            gather(a.input, a.shape.sizes[0], plan, block, input);
            const float* in = input;
            for (int l = 0; l < plan.layers; ++l) {
                float* out = l % 2 ? spare : scratch.at(kMaxWidth * kP);
                if (l + 1 < plan.layers) {
                    if (a.hidden) out = a.hidden + (block * plan.hidden[plan.layers] + plan.hidden[l]) * kP;
                    multiply<After::kRelu>(
                        weights.at(plan.weights[l]), plan.width[l + 1], plan.width[l], in, out, nullptr);
                } else {
                    multiply<After::kNothing>(
                        weights.at(plan.weights[l]), plan.width[l + 1], plan.width[l], in, out, nullptr);
                }
                in = out;
            }
            scatter(in, a.shape.sizes[plan.layers], plan, block, a.output);
        }
    }
}

void run(const MlpBackward& a) {
    const Plan plan(a.shape);
    const int64_t size = plan.weights[plan.layers];
    Buffer weights(size);
    pad_weights(a.shape, plan, a.weights, true, weights);
    // Each part of the points has sums of its own, added up in order afterwards: the result does not depend on which
    // thread took which part. There are at most 64 of them.
    const int64_t length = plan.blocks < 64 * 8 ? 8 : (plan.blocks + 63) / 64;
    const int64_t parts = (plan.blocks + length - 1) / length;
    Buffer partial(size * parts);
#pragma omp parallel num_threads(num_threads())
    {
        Buffer scratch(3 * kMaxWidth * kP);
        float *input = scratch.at(0), *first = scratch.at(kMaxWidth * kP), *second = scratch.at(2 * kMaxWidth * kP);
#pragma omp for schedule(dynamic, 1)
        for (int64_t part = 0; part < parts; ++part) {
            float* gradient = partial.at(part * size);
            memset(gradient, 0, size * sizeof(float));
            const int64_t end = (part + 1) * length < plan.blocks ? (part + 1) * length : plan.blocks;
            for (int64_t block = part * length; block < end; ++block) {
                gather(a.input, a.shape.sizes[0], plan, block, input);
                gather(a.grad_output, a.shape.sizes[plan.layers], plan, block, first);
                float *grad_out = first, *grad_in = second;
                for (int l = plan.layers - 1; l >= 0; --l) {
                    const float* x =
                        l ? a.hidden + (block * plan.hidden[plan.layers] + plan.hidden[l - 1]) * kP : input;
                    multiply_transposed(grad_out, plan.width[l + 1], x, plan.width[l], gradient + plan.weights[l]);
                    const float* w = weights.at(plan.weights[l]);
                    if (l > 0) {
                        multiply<After::kReluGradient>(w, plan.width[l], plan.width[l + 1], grad_out, grad_in, x);
                    } else if (a.grad_input) {
                        multiply<After::kNothing>(w, plan.width[l], plan.width[l + 1], grad_out, grad_in, nullptr);
                        scatter(grad_in, a.shape.sizes[0], plan, block, a.grad_input);
                    }
                    float* swap = grad_out;
                    grad_out = grad_in;
                    grad_in = swap;
                }
            }
        }
    }
    for (int64_t part = 0; part < parts; ++part) {
        for (int l = 0; l < plan.layers; ++l) {
            for (int o = 0; o < a.shape.sizes[l + 1]; ++o) {
                const float* from = partial.at(part * size + plan.weights[l] + static_cast<int64_t>(o) * plan.width[l]);
                float* to = a.grad_weights[l] + o * a.shape.sizes[l];
                for (int i = 0; i < a.shape.sizes[l]; ++i) to[i] += from[i];
            }
        }
    }
}

}  // namespace nsg::NSG_ISA
