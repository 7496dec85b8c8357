#include <cstdlib>
#include <cstring>

#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

// Points pass through the layers in tiles: a row of activations is a few vectors, and all rows of a layer lie together
// in the first cache. Products are summed in registers, kRows outputs times kVecs vectors of points, or of inputs for
// the gradient of the weights.
constexpr int kTile = kMlpTile;
constexpr int64_t kTask = 32;  // tiles of a task forward
constexpr int kRows = 4;
constexpr int kVecs = NSG_LANES == 16 ? 4 : 2;

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

Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
void store(float* to, Vec value) { *reinterpret_cast<Vec*>(to) = value; }

// What the next tile needs: rows that lie far apart in memory. They are fetched, and copied together, a few for each
// group of rows that is computed of this tile; all at once they would make the processor wait.
class Feed {
  public:
    explicit Feed(int groups) : groups_(groups) {}

    // Adds rows; to is null where they need not be copied.
    void add(const float* from, int64_t stride, int rows, float* to) {
        parts_[count_++] = {from, stride, rows, to};
        rows_ += rows;
        pace_ = (rows_ + groups_ - 1) / groups_;
    }

    void step() {
        for (int k = 0; k < pace_ && fetched_ < rows_; ++k, ++fetched_) {
            with_row(fetched_, [](const float* from, float*) {
                for (int i = 0; i < kTile; i += 16) __builtin_prefetch(from + i);
            });
        }
        copy(fetched_ - pace_);
    }

    void finish() { copy(rows_); }

  private:
    struct Part {
        const float* from;
        int64_t stride;
        int rows;
        float* to;
    };

    template <class Function>
    void with_row(int row, Function f) const {
        const Part* part = parts_;
        for (; row >= part->rows; ++part) row -= part->rows;
        f(part->from + row * part->stride, part->to ? part->to + row * kTile : nullptr);
    }

    void copy(int end) {
        for (; copied_ < end; ++copied_) {
            with_row(copied_, [](const float* from, float* to) {
                if (to) memcpy(to, from, kTile * sizeof(float));
            });
        }
    }

    Part parts_[3];
    int groups_, count_ = 0, rows_ = 0, pace_ = 0, fetched_ = 0, copied_ = 0;
};

enum class After { kNothing, kRelu, kReluGradient };

// out[rows, kTile] = weights[rows, inputs] in[inputs, kTile]; then ReLU, or its gradient given the activations.
template <After after>
void multiply(
    const float* weights, int rows, int inputs, const float* in, float* out, int64_t stride, const float* activations,
    Feed& feed) {
    for (int row = 0; row < rows; row += kRows) {
        feed.step();
        const float* w = weights + row * inputs;
        for (int p = 0; p < kTile; p += kVecs * NSG_LANES) {
            Vec sum[kRows][kVecs] = {};
            for (int i = 0; i < inputs; ++i) {
                Vec x[kVecs];
                for (int v = 0; v < kVecs; ++v) x[v] = load(in + i * kTile + p + v * NSG_LANES);
                for (int r = 0; r < kRows; ++r) {
                    for (int v = 0; v < kVecs; ++v) sum[r][v] += w[r * inputs + i] * x[v];
                }
            }
            for (int r = 0; r < kRows; ++r) {
                if (row + r >= rows) continue;
                for (int v = 0; v < kVecs; ++v) {
                    const int at = p + v * NSG_LANES;
                    Vec value = sum[r][v];
                    if (after == After::kRelu) value = value > 0.0f ? value : value * 0.0f;
                    if (after == After::kReluGradient) {
                        value = load(activations + (row + r) * kTile + at) > 0.0f ? value : value * 0.0f;
                    }
                    memcpy(out + (row + r) * stride + at, &value, sizeof value);
                }
            }
        }
    }
}

// Columns of a matrix of points, in whole vectors.
int stride_of(int columns) { return (columns + NSG_LANES - 1) / NSG_LANES * NSG_LANES; }

// to[kTile, stride] = from[columns, kTile] transposed; what lies beyond the last column is zero.
void transpose(const float* from, int columns, float* to) {
    const int stride = stride_of(columns);
    for (int column = 0; column < columns; column += NSG_LANES) {
        for (int p = 0; p < kTile; p += NSG_LANES) {
            Vec rows[NSG_LANES], mixed[NSG_LANES];
            for (int k = 0; k < NSG_LANES; ++k) {
                rows[k] = column + k < columns ? load(from + (column + k) * kTile + p) : Vec{};
            }
            // As often as a number of lanes can be halved, the first half of the rows is interleaved with the second.
            for (int lanes = NSG_LANES; lanes > 1; lanes /= 2) {
                for (int k = 0; k < NSG_LANES / 2; ++k) {
                    mixed[2 * k] = lower(rows[k], rows[k + NSG_LANES / 2]);
                    mixed[2 * k + 1] = upper(rows[k], rows[k + NSG_LANES / 2]);
                }
                for (int k = 0; k < NSG_LANES; ++k) rows[k] = mixed[k];
            }
            for (int k = 0; k < NSG_LANES; ++k) store(to + (p + k) * stride + column, rows[k]);
        }
    }
}

// gradient[rows, vecs] += a[rows, kTile] b[kTile, vecs], of matrices with stride columns.
template <int vecs>
void add_products(const float* a, int rows, const float* b, int stride, float* gradient, Feed& feed) {
    for (int row = 0; row < rows; row += kRows) {
        feed.step();
        Vec sum[kRows][vecs];
        for (int r = 0; r < kRows; ++r) {
            for (int v = 0; v < vecs; ++v) sum[r][v] = load(gradient + (row + r) * stride + v * NSG_LANES);
        }
        for (int p = 0; p < kTile; ++p) {
            Vec y[vecs];
            for (int v = 0; v < vecs; ++v) y[v] = load(b + p * stride + v * NSG_LANES);
            for (int r = 0; r < kRows; ++r) {
                for (int v = 0; v < vecs; ++v) sum[r][v] += a[(row + r) * kTile + p] * y[v];
            }
        }
        for (int r = 0; r < kRows; ++r) {
            for (int v = 0; v < vecs; ++v) store(gradient + (row + r) * stride + v * NSG_LANES, sum[r][v]);
        }
    }
}

// gradient[rows, stride] += a[rows, kTile] b[kTile, stride]
void add_all_products(const float* a, int rows, const float* b, int stride, float* gradient, Feed& feed) {
    int column = 0;
    for (; column + kVecs * NSG_LANES <= stride; column += kVecs * NSG_LANES) {
        add_products<kVecs>(a, rows, b + column, stride, gradient + column, feed);
    }
    for (; column + 2 * NSG_LANES <= stride; column += 2 * NSG_LANES) {
        add_products<2>(a, rows, b + column, stride, gradient + column, feed);
    }
    for (; column < stride; column += NSG_LANES) add_products<1>(a, rows, b + column, stride, gradient + column, feed);
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
    int64_t points, tiles;
    int width[kMaxLayers + 1];
    int64_t weights[kMaxLayers + 1];    // first of each layer, and the total
    int64_t gradients[kMaxLayers + 1];  // likewise, with rows of whole vectors
    int hidden[kMaxLayers + 1];         // first row of each hidden layer, and the total at [layers]
    int groups_forward, groups_backward;  // how often a feed is called for each tile

    explicit Plan(const MlpShape& shape)
        : layers(shape.layers),
          points(shape.points),
          tiles((shape.points + kTile - 1) / kTile),
          weights{},
          gradients{},
          hidden{},
          groups_forward(0),
          groups_backward(0) {
        for (int l = 0; l <= layers; ++l) width[l] = padded_width(shape.sizes[l]);
        for (int l = 0; l < layers; ++l) {
            weights[l + 1] = weights[l] + static_cast<int64_t>(width[l]) * width[l + 1];
            gradients[l + 1] = gradients[l] + static_cast<int64_t>(stride_of(width[l])) * width[l + 1];
            hidden[l + 1] = hidden[l] + (l + 1 < layers ? width[l + 1] : 0);
            groups_forward += width[l + 1] / kRows;
            groups_backward += (width[l + 1] + (l > 0 ? width[l] : 0)) / kRows;
        }
    }

    // Points of a tile.
    int count(int64_t tile) const {
        const int64_t left = points - tile * kTile;
        return static_cast<int>(left < kTile ? left : kTile);
    }
    bool is_full(int64_t tile) const { return (tile + 1) * kTile <= points; }

    // Where the activations of a tile lie, of those kept for the backward pass.
    int64_t activations(int64_t tile) const { return tile * hidden[layers] * kTile; }
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

// Copies the rows of one tile; what lies beyond the last row or point is zero.
void gather(const float* from, int rows, const Plan& plan, int64_t tile, float* to) {
    for (int r = 0; r < padded_width(rows); ++r) {
        const int valid = r < rows ? plan.count(tile) : 0;
        if (valid) memcpy(to + r * kTile, from + r * plan.points + tile * kTile, valid * sizeof(float));
        memset(to + r * kTile + valid, 0, (kTile - valid) * sizeof(float));
    }
}

// Copies the points of one tile to their rows.
void scatter(const float* from, int rows, const Plan& plan, int64_t tile, float* to) {
    const int valid = plan.count(tile);
    for (int r = 0; r < rows; ++r) {
        memcpy(to + r * plan.points + tile * kTile, from + r * kTile, valid * sizeof(float));
    }
}

constexpr int kTileSize = kMaxWidth * kTile;

// Rows of all points, as the tile at work and the next one see them, in turn.
class Rows {
  public:
    Rows(const float* from, int rows, const Plan& plan, float* tiles) : from_(from), rows_(rows), plan_(plan) {
        tiles_[0] = tiles;
        tiles_[1] = tiles + kTileSize;
    }

    void start(int64_t tile) { gather(from_, rows_, plan_, tile, tiles_[tile % 2]); }
    const float* at(int64_t tile) const { return tiles_[tile % 2]; }

    // Lets a tile be copied while the one before it is computed.
    void announce(int64_t tile, Feed& feed) {
        float* to = tiles_[tile % 2];
        if (!plan_.is_full(tile)) return gather(from_, rows_, plan_, tile, to);
        memset(to + rows_ * kTile, 0, (padded_width(rows_) - rows_) * kTile * sizeof(float));
        feed.add(from_ + tile * kTile, plan_.points, rows_, to);
    }

  private:
    const float* from_;
    int rows_;
    const Plan& plan_;
    float* tiles_[2];
};

// Calls f with where it is to store rows of a tile, and how far apart: at their place, or first in a spare tile where
// not all points exist.
template <class Function>
void store_tile(float* to, int rows, const Plan& plan, int64_t tile, float* spare, Function f) {
    if (plan.is_full(tile)) return f(to + tile * kTile, plan.points);
    f(spare, kTile);
    scatter(spare, rows, plan, tile, to);
}

void forward(
    const MlpForward& a, const Plan& plan, const float* weights, int64_t tile, const float* input, float* spare,
    Feed& feed) {
    const float* in = input;
    for (int l = 0; l + 1 < plan.layers; ++l) {
        float* out = a.hidden ? a.hidden + plan.activations(tile) + plan.hidden[l] * kTile : spare + l % 2 * kTileSize;
        multiply<After::kRelu>(
            weights + plan.weights[l], plan.width[l + 1], plan.width[l], in, out, kTile, nullptr, feed);
        in = out;
    }
    const int last = plan.layers - 1, outputs = a.shape.sizes[plan.layers];
    store_tile(a.output, outputs, plan, tile, spare + 2 * kTileSize, [&](float* out, int64_t stride) {
        multiply<After::kNothing>(
            weights + plan.weights[last], outputs, plan.width[last], in, out, stride, nullptr, feed);
    });
}

// Adds the gradient of the weights to those in gradient.
void backward(
    const MlpBackward& a, const Plan& plan, const float* weights, int64_t tile, const float* input,
    const float* grad_output, float* gradient, float* spare, Feed& feed) {
    const float *kept = a.hidden + plan.activations(tile), *grad_out = grad_output;
    float* transposed = spare + 2 * kTileSize;
    for (int l = plan.layers - 1; l >= 0; --l) {
        const float *x = l ? kept + plan.hidden[l - 1] * kTile : input, *w = weights + plan.weights[l];
        const int stride = stride_of(plan.width[l]);
        transpose(x, plan.width[l], transposed);
        add_all_products(grad_out, plan.width[l + 1], transposed, stride, gradient + plan.gradients[l], feed);
        if (l > 0) {
            float* grad_in = spare + l % 2 * kTileSize;
            multiply<After::kReluGradient>(w, plan.width[l], plan.width[l + 1], grad_out, grad_in, kTile, x, feed);
            grad_out = grad_in;
        } else if (a.grad_input) {
            const int inputs = a.shape.sizes[0];
            store_tile(a.grad_input, inputs, plan, tile, transposed, [&](float* grad_in, int64_t points) {
                multiply<After::kNothing>(w, inputs, plan.width[1], grad_out, grad_in, points, nullptr, feed);
            });
        }
    }
}

}  // namespace

void run(const MlpForward& a) {
    const Plan plan(a.shape);
    Buffer weights(plan.weights[plan.layers]);
    pad_weights(a.shape, plan, a.weights, false, weights);
#pragma omp parallel num_threads(num_threads())
    {
        Buffer scratch(5 * kTileSize);
        Rows input(a.input, a.shape.sizes[0], plan, scratch.at(0));
#pragma omp for schedule(dynamic, 1)
        for (int64_t begin = 0; begin < plan.tiles; begin += kTask) {
            const int64_t end = begin + kTask < plan.tiles ? begin + kTask : plan.tiles;
            input.start(begin);
            for (int64_t tile = begin; tile < end; ++tile) {
                Feed feed(plan.groups_forward);
                if (tile + 1 < end) input.announce(tile + 1, feed);
                forward(a, plan, weights.at(0), tile, input.at(tile), scratch.at(2 * kTileSize), feed);
                feed.finish();
            }
        }
    }
}

void run(const MlpBackward& a) {
    const Plan plan(a.shape);
    Buffer weights(plan.weights[plan.layers]);
    pad_weights(a.shape, plan, a.weights, true, weights);
    // Each part of the points has sums of its own, added up in order afterwards: the result does not depend on which
    // thread took which part. There are at most 64 of them.
    const int64_t length = plan.tiles < 64 * 64 ? 64 : (plan.tiles + 63) / 64;
    const int64_t parts = (plan.tiles + length - 1) / length;
    const int64_t size = plan.gradients[plan.layers];
    const int hidden = plan.hidden[plan.layers];
    Buffer partial(size * parts);
#pragma omp parallel num_threads(num_threads())
    {
        Buffer scratch(7 * kTileSize);
        Rows input(a.input, a.shape.sizes[0], plan, scratch.at(0));
        Rows grad_output(a.grad_output, a.shape.sizes[plan.layers], plan, scratch.at(2 * kTileSize));
#pragma omp for schedule(dynamic, 1)
        for (int64_t part = 0; part < parts; ++part) {
            float* gradient = partial.at(part * size);
            memset(gradient, 0, size * sizeof(float));
            const int64_t begin = part * length, end = begin + length < plan.tiles ? begin + length : plan.tiles;
            input.start(begin);
            grad_output.start(begin);
            for (int64_t tile = begin; tile < end; ++tile) {
                Feed feed(plan.groups_backward);
                if (tile + 1 < end) {
                    input.announce(tile + 1, feed);
                    grad_output.announce(tile + 1, feed);
                    if (hidden) feed.add(a.hidden + plan.activations(tile + 1), kTile, hidden, nullptr);
                }
                backward(
                    a, plan, weights.at(0), tile, input.at(tile), grad_output.at(tile), gradient,
                    scratch.at(4 * kTileSize), feed);
                feed.finish();
            }
        }
    }
    for (int64_t part = 0; part < parts; ++part) {
        for (int l = 0; l < plan.layers; ++l) {
            const int stride = stride_of(plan.width[l]);
            for (int o = 0; o < a.shape.sizes[l + 1]; ++o) {
                const float* from = partial.at(part * size + plan.gradients[l] + static_cast<int64_t>(o) * stride);
                float* to = a.grad_weights[l] + o * a.shape.sizes[l];
                for (int i = 0; i < a.shape.sizes[l]; ++i) to[i] += from[i];
            }
        }
    }
}

}  // namespace nsg::NSG_ISA
