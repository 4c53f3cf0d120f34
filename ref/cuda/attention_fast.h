// attention_fast.h: self-attention with one head on bf16 pixels, all products on tensor cores.
//
//   S = q k' / sqrt(C),   P = softmax over the keys of S,   out = P v       for T pixels ("tokens") of C channels
//   Vaswani et al. 2017, "Attention Is All You Need", arXiv 1706.03762.
//   back:  dv = P' dout,   dS = P (dout v' - D),   D = row sums of dout out,
//          dq = dS k / sqrt(C),   dk = dS' q / sqrt(C)
//
// Kept for the way back is the logarithm of the sum under the softmax (lse, 4 bytes a token) and not P (2 T bytes a
// token): P = e^(S - lse) costs one more product, and P of 256 tokens would be as large as q of 256 channels.
//
// A block owns ROWS tokens, and there are at most 256 others, so its ROWS x T matrix is whole: no running maximum.  Two
// kinds of products, each over tiles of 64 channels (rows of 128 bytes, swizzled):
//   rows x others:    16 x 16 pieces of the ROWS x T matrix in registers, warps side by side over rows and columns;
//   matrix x values:  the matrix as bf16 in shared memory, 64 channels of the result at a time.
// Backward runs one kernel in two roles: the rows are queries (dq), or keys (dk, dv; the matrix is transposed).
// So every sum has one owner: no atomic additions, the same bits every time, for 7 products instead of 5.
#ifndef TILT_ATTENTION_FAST_H
#define TILT_ATTENTION_FAST_H

#include "attention_tiles.h"

// ---- forward ------------------------------------------------------------------------------------------------------

// Joins v of the SPLIT warps that share rows: maximum or sum.  Lanes of a quad hold the same rows already.
template <class T, bool MAXIMUM>
__device__ __forceinline__ void attention_join(float (&v)[2], float *all, const AttentionWarp<T> &w) {
    UNROLL
    for (int h = 0; h < 2; h++) {
        UNROLL
        for (int mask = 1; mask <= 2; mask *= 2) {
            float other = __shfl_xor_sync(~0u, v[h], mask);
            v[h] = MAXIMUM ? fmaxf(v[h], other) : v[h] + other;
        }
        if (w.lane % 4 == 0) {
            all[w.part * T::ROWS + w.row0 + w.lane / 4 + 8 * h] = v[h];
        }
    }
    __syncthreads();
    UNROLL
    for (int h = 0; h < 2; h++) {
        const float *from = all + w.row0 + w.lane / 4 + 8 * h;
        v[h] = from[0];
        for (int part = 1; part < T::SPLIT; part++) {
            v[h] = MAXIMUM ? fmaxf(v[h], from[part * T::ROWS]) : v[h] + from[part * T::ROWS];
        }
    }
    __syncthreads(); // `all` may be used again
}

// Block (x, y): rows x ROWS .. of image y.
template <class T>
static __global__ void __launch_bounds__(T::THREADS)
    attention_forward_kernel(FastAttention s, const bf16 *qkv, bf16 *out, float *lse) {
    AttentionWarp<T> w;
    AttentionShared<T> m(s.T);
    int first = (int)blockIdx.x * T::ROWS, left = s.T - first, chunks = s.C / 64;
    size_t image = (size_t)blockIdx.y * (size_t)s.T, pitch = 3 * (size_t)s.C;
    const bf16 *q = qkv + image * pitch, *k = q + s.C, *v = k + s.C;
    float sum[2] = {0, 0}, top[2] = {-INFINITY, -INFINITY}, S[T::PIECES][2][4];
    float scale = rsqrtf((float)s.C);
    attention_product<T>(S, m, w, s, q + (size_t)first * pitch, pitch, left, k, pitch);
    UNROLL
    for (int j = 0; j < T::PIECES; j++) {
        if (w.column(j) < s.T) {
            UNROLL
            for (int i = 0; i < 8; i++) {
                float x = S[j][i / 4][i % 4] * scale;
                S[j][i / 4][i % 4] = x;
                top[i % 4 / 2] = fmaxf(top[i % 4 / 2], x);
            }
        }
    }
    attention_load<T>(m.others(0), v, pitch, s.T, s.T); // arrives during the softmax
    copy_commit();
    attention_join<T, true>(top, m.joined, w);
    UNROLL
    for (int j = 0; j < T::PIECES; j++) {
        if (w.column(j) < s.T) {
            UNROLL
            for (int i = 0; i < 8; i++) {
                float e = fast_exp(S[j][i / 4][i % 4] - top[i % 4 / 2]);
                S[j][i / 4][i % 4] = e;
                sum[i % 4 / 2] += e;
            }
        }
    }
    attention_join<T, false>(sum, m.joined, w);
    attention_store<T>(m.matrix(0), S, w, s.T);
    for (int h = 0; h < 2; h++) {
        int row = w.row0 + w.lane / 4 + 8 * h;
        if (w.part == 0 && w.lane % 4 == 0 && row < left) {
            lse[image + (size_t)(first + row)] = top[h] + logf(sum[h]);
        }
        sum[h] = 1.f / sum[h];
    }
    for (int c = 0; c < chunks; c++) {
        float O[T::PAIRS][2][4];
        attention_mix<T>(O, m, w, s, m.matrix(0), c % 2, c + 1 < chunks ? v + (c + 1) * 64 : NULL, pitch);
        attention_write<T>(out + (image + (size_t)first) * (size_t)s.C + c * 64, (size_t)s.C, O, sum, w, left);
    }
}

// ---- backward -----------------------------------------------------------------------------------------------------

struct AttentionBackward {
    const bf16 *dout, *out, *qkv; // [N][T][C], [N][T][C], [N][T][3C]
    const float *lse;             // [N][T], of forward
    float *D;                     // [N][T], scratch: written in the role of queries, read in that of keys
    bf16 *dqkv;                   // [N][T][3C], written
};

// D of the rows of a block.  A warp takes a row, a lane eight channels.
template <class T>
__device__ __forceinline__ void attention_row_sums(const FastAttention &s, const AttentionBackward &b, size_t image,
                                                   int first, int left) {
    int lane = (int)threadIdx.x % 32;
    for (int row = (int)threadIdx.x / 32; row < T::ROWS && row < left; row += T::THREADS / 32) {
        size_t at = (image + (size_t)(first + row)) * (size_t)s.C + (size_t)(lane * 8);
        float sum = 0, x[8], d[8];
        if (lane * 8 < s.C) {
            load_eight(x, b.out + at);
            load_eight(d, b.dout + at);
            UNROLL
            for (int i = 0; i < 8; i++) {
                sum += x[i] * d[i];
            }
        }
        UNROLL
        for (int mask = 16; mask > 0; mask /= 2) {
            sum += __shfl_xor_sync(~0u, sum, mask);
        }
        if (lane == 0) {
            b.D[image + (size_t)(first + row)] = sum;
        }
    }
    __syncthreads(); // the block reads what it has written
}

template <class T, bool KEYS>
static __global__ void __launch_bounds__(T::THREADS) attention_backward_kernel(FastAttention s, AttentionBackward b) {
    AttentionWarp<T> w;
    AttentionShared<T> m(s.T);
    int first = (int)blockIdx.x * T::ROWS, left = s.T - first, chunks = s.C / 64;
    size_t image = (size_t)blockIdx.y * (size_t)s.T, wide = 3 * (size_t)s.C, narrow = (size_t)s.C;
    const bf16 *q = b.qkv + image * wide, *k = q + s.C, *v = k + s.C, *dout = b.dout + image * narrow;
    bf16 *dq = b.dqkv + (image + (size_t)first) * wide, *dk = dq + s.C, *dv = dk + s.C;
    float scale = rsqrtf((float)s.C), factor[2] = {scale, scale}, one[2] = {1.f, 1.f};
    float P[T::PIECES][2][4], dS[T::PIECES][2][4];
    if (!KEYS) {
        attention_row_sums<T>(s, b, image, first, left);
    }
    // the products of the rows with all others: S and dP, or their transposes
    attention_product<T>(P, m, w, s, (KEYS ? k : q) + (size_t)first * wide, wide, left, KEYS ? q : k, wide);
    if (KEYS) {
        attention_product<T>(dS, m, w, s, v + (size_t)first * wide, wide, left, dout, narrow);
    } else {
        attention_product<T>(dS, m, w, s, dout + (size_t)first * narrow, narrow, left, v, wide);
    }
    attention_load<T>(m.others(0), KEYS ? q : k, wide, s.T, s.T); // for the products below
    copy_commit();
    UNROLL
    for (int j = 0; j < T::PIECES; j++) {
        if (w.column(j) < s.T) {
            UNROLL
            for (int i = 0; i < 8; i++) {
                // the query of this number: its row or its column; rows beyond T are not stored, any query will do
                int row = first + w.row0 + w.lane / 4 + i % 4 / 2 * 8;
                int query = KEYS ? w.column(j) + i / 4 * 8 + w.lane % 4 * 2 + i % 2 : row < s.T ? row : 0;
                float p = fast_exp(P[j][i / 4][i % 4] * scale - b.lse[image + (size_t)query]);
                P[j][i / 4][i % 4] = p;
                dS[j][i / 4][i % 4] = p * (dS[j][i / 4][i % 4] - b.D[image + (size_t)query]);
            }
        }
    }
    if (KEYS) {
        attention_store<T>(m.matrix(1), P, w, s.T);
    }
    attention_store<T>(m.matrix(0), dS, w, s.T);
    for (int c = 0; c < chunks; c++) {
        float X[T::PAIRS][2][4];
        const bf16 *next = c + 1 < chunks ? (KEYS ? q : k) + (c + 1) * 64 : NULL;
        if (KEYS) { // dk = dS' q, then dv = P' dout
            attention_mix<T>(X, m, w, s, m.matrix(0), 0, dout + c * 64, narrow);
            attention_write<T>(dk + c * 64, wide, X, factor, w, left);
            attention_mix<T>(X, m, w, s, m.matrix(1), 1, next, wide);
            attention_write<T>(dv + c * 64, wide, X, one, w, left);
        } else {
            attention_mix<T>(X, m, w, s, m.matrix(0), c % 2, next, wide);
            attention_write<T>(dq + c * 64, wide, X, factor, w, left);
        }
    }
}

// ---- launching ----------------------------------------------------------------------------------------------------

static inline void attention_check(const FastAttention *s) {
    if (s->N < 1 || s->T < 16 || s->T > 256 || s->T % 16 != 0 || s->C < 64 || s->C > 256 || s->C % 64 != 0) {
        DIE("attention: %d images, %d tokens, %d channels; tokens are multiples of 16 up to 256, channels of 64 up to "
            "256",
            s->N, s->T, s->C);
    }
}

template <class T>
static inline void attention_forward_as(const FastAttention *s, const bf16 *qkv, bf16 *out, float *lse, Stream stream) {
    dim3 grid((unsigned)((s->T + T::ROWS - 1) / T::ROWS), (unsigned)s->N);
    int bytes = AttentionShared<T>::bytes(s->T, 1);
    allow_shared(attention_forward_kernel<T>, bytes);
    LAUNCH_FAST(attention_forward_kernel<T>, grid, dim3(T::THREADS), (size_t)bytes, stream, *s, qkv, out, lse);
}

template <class T>
static inline void attention_backward_as(const FastAttention *s, const AttentionBackward *b, Stream stream) {
    dim3 grid((unsigned)((s->T + T::ROWS - 1) / T::ROWS), (unsigned)s->N);
    int one = AttentionShared<T>::bytes(s->T, 1), two = AttentionShared<T>::bytes(s->T, 2);
    allow_shared(attention_backward_kernel<T, false>, one);
    allow_shared(attention_backward_kernel<T, true>, two);
    LAUNCH_FAST((attention_backward_kernel<T, false>), grid, dim3(T::THREADS), (size_t)one, stream, *s, *b);
    LAUNCH_FAST((attention_backward_kernel<T, true>), grid, dim3(T::THREADS), (size_t)two, stream, *s, *b);
}

// Few images want many small blocks.
static inline int attention_small(const FastAttention *s) {
    return s->T < 64 || s->N * (s->T / 64) < 64;
}

// out [N][T][C], lse [N][T] from qkv [N][T][3C]: q | k | v of a token side by side.
static inline void attention_forward_fast(const FastAttention *s, const bf16 *qkv, bf16 *out, float *lse,
                                          Stream stream) {
    attention_check(s);
    if (attention_small(s)) {
        attention_forward_as<AttentionTile<16, 4>>(s, qkv, out, lse, stream);
    } else {
        attention_forward_as<AttentionTile<64, 2>>(s, qkv, out, lse, stream);
    }
}

static inline void attention_backward_fast(const FastAttention *s, const AttentionBackward *b, Stream stream) {
    attention_check(s);
    if (attention_small(s)) {
        attention_backward_as<AttentionTile<16, 4>>(s, b, stream);
    } else {
        attention_backward_as<AttentionTile<64, 2>>(s, b, stream);
    }
}

#endif
