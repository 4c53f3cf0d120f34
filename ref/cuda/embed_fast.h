// embed_fast.h: time and prompt on their way to the residual blocks, fp32 on the ordinary cores:
//
//   z1 = waves W1 + b1,  a1 = SiLU(z1),  z2 = a1 W2 + b2 + words,  e = SiLU(z2),
//   rows_i = e W_i + b_i for every block i
// and the way back.  The matrices are small and read once, so time goes into launches: 3 forward, 4 back, whatever the
// number of blocks.  Parameters and gradients stand in flat vectors, W as [in][out].
//
// Here also: rows_sums, the gradient of rows_i (a vector that was added to every pixel of an image).
#ifndef TILT_EMBED_FAST_H
#define TILT_EMBED_FAST_H

#include "device_extra.h"
#include "fast_args.h"

enum {
    EMBED_THREADS = 256,
    EMBED_LINEARS = 64, // at most, with the two of the time
    EMBED_IMAGES = 8,   // images of a block
    EMBED_K = 64        // inputs of a block in the gradient of the weights
};

struct FastLinear {
    size_t w, b; // places in the flat vector
    int in, out; // out: a multiple of 32
    size_t rows; // the matrix [N][out] of a block's linear begins at N rows in `rows` and `drows`
};

// The shape: linear[0] and [1] are those of the time, then come those of the blocks.
struct FastEmbed {
    int N, linears;
    int words, length, prompts; // rows of the table; words of a prompt at most; prompts without the null prompt
    size_t table;               // [words][width] in the flat vector, width = linear[1].out
    FastLinear linear[EMBED_LINEARS];
};

struct EmbedData {
    const float *p;     // all parameters
    const float *times; // [steps][linear[0].in]: the waves of every timestep
    const int *t;       // [N]: timestep
    const int *prompt;  // [N]: -1 is the null prompt
    const int *token;   // [prompts + 1][length]: words of a prompt, -1 for none; the last row: of the null prompt
    // written forward, read back
    float *z1, *a1, *z2, *e; // [N][width]
    float *rows;
    // back
    const float *drows;
    float *dz1, *dz2; // [N][width]
    float *g;         // all gradients; those of the linears and of the table are written
};

static inline void embed_check(const FastEmbed *s) {
    int i;
    for (i = 0; i < s->linears && s->linears <= EMBED_LINEARS; i++) {
        int width = s->linear[1].out;
        if (s->linear[i].out % 32 != 0 || s->linear[i].out < 32 || s->linear[i].in < 1 || s->linear[i].in > 1024 ||
            (i > 0 && s->linear[i].in != width) || s->linear[0].out != width) {
            break;
        }
    }
    if (s->N < 1 || s->linears < 2 || i < s->linears) {
        DIE("embed: %d images, %d linears, wrong from number %d on; outputs are multiples of 32, inputs 1024 at most, "
            "linears %d at most",
            s->N, s->linears, i, EMBED_LINEARS);
    }
}

// ---- forward ------------------------------------------------------------------------------------------------------

// The images of a block into shared memory, [rows][in], from a matrix of `in` columns; with `pick` its rows pick[n].
__device__ __forceinline__ void embed_load(const float *from, const int *pick, int first, int rows, int in) {
    float *x = (float *)shared_memory();
    for (int i = (int)threadIdx.x; i < rows * in; i += EMBED_THREADS) {
        int n = first + i / in;
        x[i] = from[(size_t)(pick != NULL ? pick[n] : n) * (size_t)in + (size_t)(i % in)];
    }
    __syncthreads();
}

// For thread (warp, lane): the product of image `warp` of the block with column o = ... + lane of W.  The warps share
// the inputs, k = warp, warp + 8, ...; their sums are added up in order.
__device__ __forceinline__ float embed_product(const float *W, int in, int out, int o, int rows) {
    const float *x = (const float *)shared_memory();
    float *all = (float *)shared_memory() + EMBED_IMAGES * in; // [8 warps][EMBED_IMAGES][32]
    int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    float sum[EMBED_IMAGES] = {0}, total = 0;
    for (int k = warp; k < in; k += 8) {
        float w = W[(size_t)k * (size_t)out + (size_t)o];
        UNROLL
        for (int n = 0; n < EMBED_IMAGES; n++) {
            sum[n] += n < rows ? x[n * in + k] * w : 0.f;
        }
    }
    UNROLL
    for (int n = 0; n < EMBED_IMAGES; n++) {
        all[(warp * EMBED_IMAGES + n) * 32 + lane] = sum[n];
    }
    __syncthreads();
    for (int i = 0; i < 8; i++) {
        total += all[(i * EMBED_IMAGES + warp) * 32 + lane];
    }
    return total;
}

// Block (x, y): 32 columns of linear `which` (0 or 1) of the time, 8 images.
static __global__ void __launch_bounds__(EMBED_THREADS) embed_time_kernel(FastEmbed s, EmbedData d, int which) {
    const FastLinear *l = &s.linear[which];
    int first = (int)blockIdx.y * EMBED_IMAGES, rows = s.N - first < EMBED_IMAGES ? s.N - first : EMBED_IMAGES;
    int o = (int)blockIdx.x * 32 + (int)threadIdx.x % 32, n = first + (int)threadIdx.x / 32;
    embed_load(which == 0 ? d.times : d.a1, which == 0 ? d.t : NULL, first, rows, l->in);
    float z = embed_product(d.p + l->w, l->in, l->out, o, rows);
    if (n >= s.N) {
        return;
    }
    z += d.p[l->b + (size_t)o];
    if (which == 1) {
        int c = d.prompt[n] < 0 ? s.prompts : d.prompt[n];
        for (int j = 0; j < s.length; j++) {
            int word = d.token[c * s.length + j];
            z += word < 0 ? 0.f : d.p[s.table + (size_t)word * (size_t)l->out + (size_t)o];
        }
    }
    size_t at = (size_t)n * (size_t)l->out + (size_t)o;
    (which == 0 ? d.z1 : d.z2)[at] = z;
    (which == 0 ? d.a1 : d.e)[at] = z * fast_sigmoid(z);
}

// Block (x, y): 32 columns of one of the blocks' linears, 8 images.
static __global__ void __launch_bounds__(EMBED_THREADS) embed_rows_kernel(FastEmbed s, EmbedData d) {
    int first = (int)blockIdx.y * EMBED_IMAGES, rows = s.N - first < EMBED_IMAGES ? s.N - first : EMBED_IMAGES;
    int block = (int)blockIdx.x, i = 2, n = first + (int)threadIdx.x / 32;
    while (block >= s.linear[i].out / 32) {
        block -= s.linear[i].out / 32;
        i++;
    }
    const FastLinear *l = &s.linear[i];
    int o = block * 32 + (int)threadIdx.x % 32;
    embed_load(d.e, NULL, first, rows, l->in);
    float y = embed_product(d.p + l->w, l->in, l->out, o, rows);
    if (n < s.N) {
        float *to = d.rows + (size_t)s.N * l->rows + (size_t)n * (size_t)l->out;
        to[o] = y + d.p[l->b + (size_t)o];
    }
}

static inline void embed_forward(const FastEmbed *s, const EmbedData *d, Stream stream) {
    unsigned groups = (unsigned)((s->N + EMBED_IMAGES - 1) / EMBED_IMAGES), columns = 0;
    size_t partial = 8 * EMBED_IMAGES * 32 * 4;
    embed_check(s);
    for (int which = 0; which < 2; which++) {
        const FastLinear *l = &s->linear[which];
        LAUNCH_FAST(embed_time_kernel, dim3((unsigned)l->out / 32, groups), dim3(EMBED_THREADS),
                    (size_t)(EMBED_IMAGES * l->in * 4) + partial, stream, *s, *d, which);
    }
    for (int i = 2; i < s->linears; i++) {
        columns += (unsigned)s->linear[i].out / 32;
    }
    if (columns > 0) {
        LAUNCH_FAST(embed_rows_kernel, dim3(columns, groups), dim3(EMBED_THREADS),
                    (size_t)(EMBED_IMAGES * s->linear[1].out * 4) + partial, stream, *s, *d);
    }
}

// ---- backward -----------------------------------------------------------------------------------------------------

// dz = SiLU'(z) times the sum over linears from..to-1 of dy W'.  A warp has 4 inputs k and 8 images; its lanes walk
// over the outputs, where rows of W are contiguous.
static __global__ void __launch_bounds__(EMBED_THREADS) embed_back_kernel(FastEmbed s, EmbedData d, int time) {
    int lane = (int)threadIdx.x % 32, first = (int)blockIdx.y * EMBED_IMAGES;
    int k0 = ((int)blockIdx.x * (EMBED_THREADS / 32) + (int)threadIdx.x / 32) * 4, width = s.linear[1].out;
    int from = time ? 1 : 2, to = time ? 2 : s.linears;
    float sum[4][EMBED_IMAGES] = {{0}};
    for (int i = from; i < to; i++) {
        const FastLinear *l = &s.linear[i];
        const float *dy = (time ? d.dz2 : d.drows + (size_t)s.N * l->rows) + (size_t)first * (size_t)l->out;
        const float *W = d.p + l->w + (size_t)k0 * (size_t)l->out;
        for (int o = lane; o < l->out && k0 < width; o += 32) {
            float w[4];
            UNROLL
            for (int k = 0; k < 4; k++) {
                w[k] = W[k * l->out + o];
            }
            UNROLL
            for (int n = 0; n < EMBED_IMAGES; n++) {
                float up = first + n < s.N ? dy[n * l->out + o] : 0.f;
                UNROLL
                for (int k = 0; k < 4; k++) {
                    sum[k][n] += up * w[k];
                }
            }
        }
    }
    UNROLL
    for (int k = 0; k < 4; k++) {
        UNROLL
        for (int n = 0; n < EMBED_IMAGES; n++) {
            UNROLL
            for (int mask = 16; mask > 0; mask /= 2) {
                sum[k][n] += __shfl_xor_sync(~0u, sum[k][n], mask);
            }
            if (lane == k * EMBED_IMAGES + n && k0 < width && first + n < s.N) {
                size_t at = (size_t)(first + n) * (size_t)width + (size_t)(k0 + k);
                (time ? d.dz1 : d.dz2)[at] = sum[k][n] * fast_silu_slope((time ? d.z1 : d.z2)[at]);
            }
        }
    }
}

// Pieces of 64 inputs and 32 outputs of a linear.
__host__ __device__ __forceinline__ int embed_pieces(const FastLinear *l) {
    return (l->in + EMBED_K - 1) / EMBED_K * (l->out / 32);
}

// dW[k][o] = sum over images of x[n][k] dy[n][o],   db[o] = sum of dy[n][o].  A warp has 8 inputs, a lane one output.
static __global__ void __launch_bounds__(EMBED_THREADS) embed_weights_kernel(FastEmbed s, EmbedData d) {
    int piece = (int)blockIdx.x, i = 0, warp = (int)threadIdx.x / 32, t = (int)threadIdx.x;
    while (piece >= embed_pieces(&s.linear[i])) {
        piece -= embed_pieces(&s.linear[i]);
        i++;
    }
    const FastLinear *l = &s.linear[i];
    const float *x = i == 0 ? d.times : i == 1 ? d.a1 : d.e;
    const float *dy = i == 0 ? d.dz1 : i == 1 ? d.dz2 : d.drows + (size_t)s.N * l->rows;
    int o = piece % (l->out / 32) * 32 + t % 32, k0 = piece / (l->out / 32) * EMBED_K;
    float *tile = (float *)shared_memory(), sum[8] = {0}, bias = 0; // tile: 32 images x EMBED_K inputs
    for (int first = 0; first < s.N; first += 32) {
        int rows = s.N - first < 32 ? s.N - first : 32;
        for (int j = t; j < rows * EMBED_K; j += EMBED_THREADS) {
            int n = first + j / EMBED_K, k = k0 + j % EMBED_K;
            size_t row = (size_t)(i == 0 ? d.t[n] : n);
            tile[j] = k < l->in ? x[row * (size_t)l->in + (size_t)k] : 0.f;
        }
        __syncthreads();
        for (int n = 0; n < rows; n++) {
            float up = dy[(size_t)(first + n) * (size_t)l->out + (size_t)o];
            bias += up;
            UNROLL
            for (int k = 0; k < 8; k++) {
                sum[k] += tile[n * EMBED_K + warp * 8 + k] * up;
            }
        }
        __syncthreads(); // before the tile is loaded again
    }
    for (int k = 0; k < 8 && k0 + warp * 8 + k < l->in; k++) {
        d.g[l->w + (size_t)(k0 + warp * 8 + k) * (size_t)l->out + (size_t)o] = sum[k];
    }
    if (warp == 0 && k0 == 0) {
        d.g[l->b + (size_t)o] = bias;
    }
}

// The gradient of word blockIdx.x of the table: dz2 of all images whose prompt has it, in their order.
static __global__ void __launch_bounds__(EMBED_THREADS) embed_table_kernel(FastEmbed s, EmbedData d) {
    int word = (int)blockIdx.x, width = s.linear[1].out, k = (int)(blockIdx.y * EMBED_THREADS + threadIdx.x);
    float sum = 0;
    for (int n = 0; n < s.N && k < width; n++) {
        int c = d.prompt[n] < 0 ? s.prompts : d.prompt[n];
        for (int j = 0; j < s.length; j++) {
            sum += d.token[c * s.length + j] == word ? d.dz2[(size_t)n * (size_t)width + (size_t)k] : 0.f;
        }
    }
    if (k < width) {
        d.g[s.table + (size_t)word * (size_t)width + (size_t)k] = sum;
    }
}

static inline void embed_backward(const FastEmbed *s, const EmbedData *d, Stream stream) {
    unsigned groups = (unsigned)((s->N + EMBED_IMAGES - 1) / EMBED_IMAGES), pieces = 0, width;
    embed_check(s);
    width = (unsigned)s->linear[1].out;
    for (int time = 0; time < 2; time++) {
        LAUNCH_FAST(embed_back_kernel, dim3((width + 31) / 32, groups), dim3(EMBED_THREADS), 0, stream, *s, *d, time);
    }
    for (int i = 0; i < s->linears; i++) {
        pieces += (unsigned)embed_pieces(&s->linear[i]);
    }
    LAUNCH_FAST(embed_weights_kernel, dim3(pieces), dim3(EMBED_THREADS), 32 * EMBED_K * 4, stream, *s, *d);
    if (s->words > 0) {
        LAUNCH_FAST(embed_table_kernel, dim3((unsigned)s->words, (width + EMBED_THREADS - 1) / EMBED_THREADS),
                    dim3(EMBED_THREADS), 0, stream, *s, *d);
    }
}

// ---- the gradient of a vector that was added to all pixels --------------------------------------------------------

static __global__ void __launch_bounds__(EMBED_THREADS)
    rows_sums_kernel(const bf16 *dy, float *sums, int pixels, int C) {
    float sum[1][8] = {{0}};
    int t = (int)threadIdx.x, c = (int)blockIdx.y * 64 + t % 8 * 8;
    const bf16 *from = dy + (size_t)blockIdx.x * (size_t)pixels * (size_t)C + c;
    for (int p = t / 8; p < pixels; p += 32) {
        float v[8];
        load_eight(v, from + (size_t)p * (size_t)C);
        UNROLL
        for (int i = 0; i < 8; i++) {
            sum[0][i] += v[i];
        }
    }
    add_pixel_rows<1>(sums + (size_t)blockIdx.x * (size_t)C + blockIdx.y * 64, C, sum);
}

// sums [N][C] of dy [N][pixels][C]: the gradient of `rows`; as N slices of C numbers (fold) also that of the bias.
static inline void rows_sums(const bf16 *dy, float *sums, int N, int pixels, int C, Stream stream) {
    LAUNCH_FAST(rows_sums_kernel, dim3((unsigned)N, (unsigned)(C / 64)), dim3(EMBED_THREADS), 32 * 64 * 4, stream, dy,
                sums, pixels, C);
}

#endif
