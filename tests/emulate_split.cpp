// emulate_split.cpp: convolutions whose K is cut into ranges (ref/cuda/conv_split.h), emulated, against the float64 loops
// of emulate_loops.h; and which products conv_mma.h cuts.
//   g++ -std=c++17 -O1 -DEMULATE tests/emulate_split.cpp -o emulate_split && ./emulate_split
#include "emulate_loops.h"

#include "../ref/cuda/conv_mma.h"

// ---- the kernels ----------------------------------------------------------------------------------------------------

// Memory that a call writes, NULL or not, and the bytes that were there before.
struct Before {
    unsigned char *p;
    std::vector<unsigned char> bytes;
    Before(void *memory, size_t n) : p((unsigned char *)memory), bytes(p, p + (p != NULL ? n : 0)) {
    }
    void swap() {
        for (size_t i = 0; i < bytes.size(); i++) {
            std::swap(bytes[i], p[i]);
        }
    }
    bool same() const {
        return bytes.empty() || memcmp(p, bytes.data(), bytes.size()) == 0;
    }
};

// The product twice, from the same memory, with NaN and with numbers in the space: the same bits.
template <bool BACK> static void run(ConvProduct p, int tile, int split, Before a, Before b) {
    size_t n = (size_t)split * (size_t)p.walk.rows * (size_t)(p.columns1 + p.columns2);
    Numbers<float> first(n), second(n, 3);
    p.split = split;
    p.partial = first.p;
    mma_run<BACK>(p, tile, Stream());
    a.swap();
    b.swap();
    p.partial = second.p;
    mma_run<BACK>(p, tile, Stream());
    check(a.same() && b.same(), "  the same bits twice", split);
    check(first.guarded() && second.guarded(), "  nothing is written beside the space", split);
}

static void forward(const char *what, int tile, int split, const FastConv &c, int extras) {
    check_forward(what, c, extras, [&](const FastForward *f) {
        size_t pixels = (size_t)c.N * c.H * c.W, sums = (size_t)c.N * fast_sum_parts(c.H, c.W) * 2 * c.out;
        run<false>(conv_product_forward(&c, f), tile, split, Before(f->y, pixels * c.out * 2),
                   Before(f->sums, sums * 4));
    });
}

static void backward(const char *what, int tile, int split, const FastConv &c, int wanted, int adding) {
    check_backward(what, c, wanted, adding, [&](const FastBackward *b) {
        size_t pixels = (size_t)source_pixels(c);
        run<true>(conv_product_back(&c, b), tile, split, Before(b->dx1, pixels * c.C1 * 2),
                  Before(b->dx2, pixels * c.C2 * 2));
    });
}

// ---- the choice -----------------------------------------------------------------------------------------------------

// The calls with a space cut K, without one they do not: then their bits are those of the tile that is picked.
static void calls() {
    FastConv c = {1, 4, 4, 256, 0, 64, 3, CONV_SAME};
    size_t n = mma_space(&c), size = (size_t)16 * c.out;
    Numbers<float> space(n);
    check(n > 0, "a 4x4 layer at one image is cut", (double)n);
    check_forward("forward, the plan that is made", c, 9, [&](const FastForward *f) {
        FastForward with = *f;
        Numbers<bf16> y(size), whole(size);
        with.space = space.p;
        mma_forward(&c, &with, Stream());
        check(space.guarded() && check_value(space.p[0]) == check_value(space.p[0]), "  it uses its space alone", 0);
        with.space = NULL;
        with.y = y.p;
        mma_forward(&c, &with, Stream());
        ConvProduct p = conv_product_forward(&c, &with);
        p.y1 = whole.p;
        mma_run<false>(p, mma_pick(&p), Stream());
        check(memcmp(y.p, whole.p, size * 2) == 0, "  without a space K stays whole", 0);
        with.space = space.p;
        with.y = f->y;
        mma_forward(&c, &with, Stream());
    });
    Numbers<float> again(n);
    check_backward("gradient, the plan that is made", c, 1, 1, [&](const FastBackward *b) {
        FastBackward with = *b;
        with.space = again.p;
        mma_backward_input(&c, &with, Stream());
        check(again.guarded(), "  it uses its space alone", 0);
    });
}

static void ranges() {
    int wrong = 0;
    for (int slices = 1; slices < 80; slices++) {
        for (int split = 1; split <= MMA_MOST_RANGES; split++) {
            wrong += conv_range(slices, split, 0) != 0 || conv_range(slices, split, split) != slices;
            for (int z = 0; z < split; z++) {
                int n = conv_range(slices, split, z + 1) - conv_range(slices, split, z);
                wrong += n < slices / split || n > (slices + split - 1) / split;
            }
        }
    }
    check(wrong == 0, "ranges: all slices, lengths that differ by one at most", wrong);
}

// What a plan must be for any shape: it fits; where whole tiles make enough blocks K stays whole; what is cut promises
// to be faster and fills the GPU better; the space is enough for all three products.
static void plans() {
    int wrong = 0, late = 0, slow = 0, small = 0, cuts = 0, parts = 0;
    for (int N = 1; N <= 256; N *= 2) {
        for (int side = 4; side <= 32; side *= 2) {
            for (int how = 0; how < 3; how++) {
                for (int i = 0; i < 3 * 4; i++) {
                    FastConv c = {N, side, side, 64 << i % 4, 64, 128, 3, (ConvHow)how};
                    ConvProduct p = conv_product_shape(&c, i / 4 == 2, i / 4 == 1);
                    MmaPlan plan = mma_plan(&p);
                    int pick = mma_pick(&p);
                    wrong += !mma_tile_fits(&p, plan.tile, plan.split) || plan.split < 1 ||
                             plan.split > mma_slices_of(&p) || (plan.split == 1 && plan.tile != pick);
                    small += mma_space(&c) < mma_space_of(&p);
                    if (plan.split > 1) {
                        cuts++;
                        late += mma_blocks(&p, pick) >= MMA_ENOUGH;
                        slow += mma_time(&p, plan.tile, plan.split) >= mma_time(&p, pick, 1) ||
                                mma_blocks(&p, plan.tile) * plan.split <= mma_blocks(&p, pick);
                        parts += p.walk.parts > 1;
                    }
                }
            }
        }
    }
    FastConv deep = {1, 4, 4, 64, 0, 4096, 3, CONV_HALVE}; // 64 slices for every tap
    ConvProduct back = conv_product_shape(&deep, 1, 0);
    parts += mma_plan(&back).split > 1;
    check(wrong == 0 && cuts > 0, "plans fit, and whole ones are those of before", wrong);
    check(late == 0, "what makes enough blocks stays whole", late);
    check(slow == 0, "what is cut promises more blocks and less time", slow);
    check(parts == 0, "a walk in four parts stays whole", parts);
    check(small == 0, "the space is enough for every product", small);
}

int main() {
    // N H W, C1 C2 out, k.  The quickest first: a planted fault stops at the first failure.
    forward("forward, tile 2, 3 ranges of 9 slices, five 4x4 images", 2, 3, {5, 4, 4, 64, 0, 64, 3, CONV_SAME}, 15);
    forward("forward, tile 4, 5 of 18, 4x8 images, 64|64", 4, 5, {3, 4, 8, 64, 64, 64, 3, CONV_SAME}, 15);
    forward("forward, tile 4, 2 of 9, 8x16: sums over four tiles", 4, 2, {1, 8, 16, 64, 0, 64, 3, CONV_SAME}, 15);
    forward("forward, tile 3, 4 of 9, 16x16: two parts of sums", 3, 4, {1, 16, 16, 64, 0, 64, 3, CONV_SAME}, 15);
    forward("forward, tile 1, 9 of 9, three 8x8 images", 1, 9, {3, 8, 8, 64, 0, 64, 3, CONV_SAME}, 9);
    forward("forward, tile 2, 11 of 9: two ranges are empty", 2, 11, {1, 4, 4, 64, 0, 64, 3, CONV_SAME}, 15);
    forward("forward, tile 0, 2 of 9, sixteen 1x1 images", 0, 2, {16, 1, 1, 64, 0, 128, 3, CONV_SAME}, 15);
    forward("forward, tile 2, 2 of 9, twelve 2x2 images", 2, 2, {12, 2, 2, 64, 0, 64, 3, CONV_SAME}, 15);
    forward("forward, tile 4, 3 of 5, 1x1 kernel, 64|256", 4, 3, {2, 8, 8, 64, 256, 64, 1, CONV_SAME}, 5);
    forward("forward, tile 2, 4 of 9, halve", 2, 4, {3, 8, 4, 64, 0, 64, 3, CONV_HALVE}, 9);
    forward("forward, tile 4, 7 of 9, double", 4, 7, {3, 8, 4, 64, 0, 64, 3, CONV_DOUBLE}, 11);
    backward("gradient, tile 4, 2 of 9, 64|64, only the first", 4, 2, {1, 4, 8, 64, 64, 64, 3, CONV_SAME}, 1, 0);
    backward("gradient, tile 2, 4 of 9, 64|64, only the second", 2, 4, {3, 4, 8, 64, 64, 64, 3, CONV_SAME}, 2, 2);
    backward("gradient, tile 0, 2 of 2, 1x1, one tile over 64|64", 0, 2, {5, 4, 4, 64, 64, 128, 1, CONV_SAME}, 3, 1);
    backward("gradient, tile 0, 2 of 2, 1x1, half of a tile is wanted", 0, 2, {5, 4, 4, 64, 64, 128, 1, CONV_SAME}, 2,
             0);
    backward("gradient, tile 1, 5 of 18, 64|64", 1, 5, {1, 8, 8, 64, 64, 128, 3, CONV_SAME}, 3, 3);
    backward("gradient, tile 3, 7 of 9", 3, 7, {5, 4, 4, 64, 0, 64, 3, CONV_SAME}, 1, 1);
    backward("gradient, tile 2, 5 of 36, double", 2, 5, {3, 8, 8, 64, 0, 64, 3, CONV_DOUBLE}, 1, 1);
    ranges();
    plans();
    calls();
    return check_report("emulate_split");
}
