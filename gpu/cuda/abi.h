/* The C interface of the kernels' library, the same for the one that runs on devices and for its host twin.
 *
 * Addresses of device memory are integers: nothing but this library reads behind them. Field elements are four words of 64 bits,
 * least significant first, of the residue `a * 2^256 mod p` below `p`: the form in which the curve library holds them. Lengths are
 * in elements or cells unless a name says `bytes`.
 *
 * Every function that takes a context returns a status. After another one than ZKINFER_OK, zkinfer_error_text has a line about it,
 * until the next call with that context. A context takes one call at a time. A context has two streams, one for work and one for copies
 * beside it; contexts of one device work beside each other. What a call does to device memory happens in the order of the calls of
 * its context; zkinfer_download, zkinfer_synchronize and functions that return values wait for it. What zkinfer_send writes,
 * zkinfer_fetch reads and another context does has no order but that of the waits that these functions and zkinfer_await take.
 */
#ifndef ZKINFER_ABI_H
#define ZKINFER_ABI_H

#include <stdint.h>

#if defined(_WIN32)
#define ZKINFER_EXPORT __declspec(dllexport)
#else
#define ZKINFER_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change of this file that a caller notices. */
#define ZKINFER_ABI_VERSION 5

typedef struct zkinfer_context zkinfer_context;
typedef uint64_t zkinfer_address;

enum zkinfer_status {
    ZKINFER_OK = 0,
    /* An argument that the function does not take. */
    ZKINFER_INVALID = 1,
    /* The context's limit or the device's memory is used up. */
    ZKINFER_OUT_OF_MEMORY = 2,
    /* There is no such device, or no usable driver. */
    ZKINFER_NO_DEVICE = 3,
    /* The device or its driver fails. */
    ZKINFER_DEVICE_FAILURE = 4,
};

/* ---- The library and its devices ---- */

/* ZKINFER_ABI_VERSION of the library. */
ZKINFER_EXPORT uint32_t zkinfer_abi_version(void);

/* 1 where "device" is the processor itself: the host twin. */
ZKINFER_EXPORT uint32_t zkinfer_is_host(void);

/* Devices that there are. Where there are none, `reason` says why, ended by a zero byte, cut to `reason_bytes`. */
ZKINFER_EXPORT uint32_t zkinfer_device_count(char *reason, uint64_t reason_bytes);

typedef struct {
    /* Ended by a zero byte. */
    char name[256];
    uint64_t memory_bytes;
    uint64_t free_bytes;
    uint32_t multiprocessors;
    /* 90 for compute capability 9.0. */
    uint32_t architecture;
    /* 13000 for 13.0; of the driver, and of the toolkit that the library was built with. */
    uint32_t driver_version;
    uint32_t toolkit_version;
} zkinfer_device_info;

ZKINFER_EXPORT int32_t zkinfer_describe_device(uint32_t device, zkinfer_device_info *info);

/* ---- Contexts and memory ---- */

/* A context on a device whose memory never takes more than `memory_limit` bytes; 0 is no limit. */
ZKINFER_EXPORT int32_t zkinfer_create(uint32_t device, uint64_t memory_limit, zkinfer_context **context);

/* Another context on the device of `other`, whose memory, limit and counts they share. There are 32 on a device at most. */
ZKINFER_EXPORT int32_t zkinfer_join(const zkinfer_context *other, zkinfer_context **context);

/* Takes everything back that was allocated; the context may be null. */
ZKINFER_EXPORT void zkinfer_destroy(zkinfer_context *context);

/* The line about the last failure of a call, valid until the next one. A null context: about zkinfer_create. */
ZKINFER_EXPORT const char *zkinfer_error_text(const zkinfer_context *context);

/* Keeps so many bytes of the limit, what the context has allocated among them, for it alone, in place of what was kept before; refused as
 * ZKINFER_OUT_OF_MEMORY where others have, or keep, too much. */
ZKINFER_EXPORT int32_t zkinfer_reserve(zkinfer_context *context, uint64_t bytes);

/* Bytes of the device that are allocated, and the most that ever were, those within the library's own functions included. */
ZKINFER_EXPORT int32_t zkinfer_memory(zkinfer_context *context, uint64_t *used_bytes, uint64_t *peak_bytes);

/* What the contexts of a device have done so far. */
typedef struct {
    /* Kernels started. */
    uint64_t launches;
    /* Bytes that were copied from the host and to it, descriptions that kernels read included. */
    uint64_t uploaded_bytes;
    uint64_t downloaded_bytes;
} zkinfer_counts;

ZKINFER_EXPORT int32_t zkinfer_count(zkinfer_context *context, zkinfer_counts *counts);

/* The numbers of the context's streams, below 64: of work, and of copies. */
ZKINFER_EXPORT int32_t zkinfer_streams(zkinfer_context *context, uint32_t numbers[2]);

/* What both streams were given so far, in numbers that increase. */
ZKINFER_EXPORT int32_t zkinfer_tickets(zkinfer_context *context, uint64_t tickets[2]);

/* Work, or with `copies` what is copied beside it, that is started from now on comes after what a stream of the device was given up to a
 * ticket, or so far where that is less. The host does not wait. */
ZKINFER_EXPORT int32_t zkinfer_await(zkinfer_context *context, uint32_t copies, uint32_t stream, uint64_t ticket);

/* Memory of any content, aligned for every type; 0 bytes are allowed. With `for_copies` it is written by zkinfer_send before anything else is
 * done with it. */
ZKINFER_EXPORT int32_t zkinfer_allocate(zkinfer_context *context, uint64_t bytes, uint32_t for_copies,
                                        zkinfer_address *address);
/* `users` has a bit for each stream of the device that was given something to do with the memory. */
ZKINFER_EXPORT int32_t zkinfer_free(zkinfer_context *context, zkinfer_address address, uint64_t users);
/* Copies from and to any memory of the host, which may be changed once they return; `upload` may still be on its way then. */
ZKINFER_EXPORT int32_t zkinfer_upload(zkinfer_context *context, zkinfer_address to, const void *from, uint64_t bytes);
ZKINFER_EXPORT int32_t zkinfer_download(zkinfer_context *context, void *to, zkinfer_address from, uint64_t bytes);
/* The same in the stream of copies: whose work reads what was sent awaits that stream, and that stream awaits whose work made what is
 * fetched. */
ZKINFER_EXPORT int32_t zkinfer_send(zkinfer_context *context, zkinfer_address to, const void *from, uint64_t bytes);
ZKINFER_EXPORT int32_t zkinfer_fetch(zkinfer_context *context, void *to, zkinfer_address from, uint64_t bytes);
/* The regions do not overlap. */
ZKINFER_EXPORT int32_t zkinfer_copy(zkinfer_context *context, zkinfer_address to, zkinfer_address from, uint64_t bytes);
ZKINFER_EXPORT int32_t zkinfer_zero(zkinfer_context *context, zkinfer_address to, uint64_t bytes);
ZKINFER_EXPORT int32_t zkinfer_synchronize(zkinfer_context *context);

/* ---- Elements ---- */

enum zkinfer_field {
    ZKINFER_SCALARS = 0,
    ZKINFER_COORDINATES = 1,
};

enum zkinfer_operation {
    /* a + b */
    ZKINFER_ADD = 0,
    /* a - b */
    ZKINFER_SUBTRACT = 1,
    /* a * b */
    ZKINFER_MULTIPLY = 2,
    /* a + scalar * b */
    ZKINFER_ADD_SCALED = 3,
    /* scalar * a; b is not read */
    ZKINFER_SCALE = 4,
};

/* `count` elements of a field; `to` may be `a` or `b`. `scalar` is on the host. */
ZKINFER_EXPORT int32_t zkinfer_elementwise(zkinfer_context *context, uint32_t field, uint32_t operation, zkinfer_address to,
                                           zkinfer_address a, zkinfer_address b, const uint64_t scalar[4],
                                           uint64_t count);

/* The inverses of `count` elements of a field, that of zero being zero; `to` may be `from`. */
ZKINFER_EXPORT int32_t zkinfer_invert(zkinfer_context *context, uint32_t field, zkinfer_address to, zkinfer_address from,
                                      uint64_t count);

/* ---- Columns of 2^k rows ---- */

enum zkinfer_form {
    /* `cells` are signed integers of `width` bytes. */
    ZKINFER_INTEGERS = 0,
    /* `cells` are scalars. */
    ZKINFER_ELEMENTS = 1,
    /* `cells` are scalars of the rows that `rows` lists in increasing order; all others are zero. */
    ZKINFER_SPARSE = 2,
    /* `constant` in every row. */
    ZKINFER_CONSTANT = 3,
    /* delta^column * omega^row, but for the rows that `rows` lists in increasing order: their `cells` are pairs (column, row) of 32
     * bits each, which stand for the same of these. */
    ZKINFER_SIGMA = 4,
};

typedef struct {
    /* Entries of `cells`; those of `rows`, where the form has any. */
    uint64_t count;
    zkinfer_address cells;
    /* 32 bits each. */
    zkinfer_address rows;
    /* Scalars of the last rows, whatever the form says of these. */
    zkinfer_address tail;
    uint32_t tail_count;
    uint32_t form;
    uint32_t width;
    uint32_t column;
    uint64_t constant[4];
} zkinfer_column;

/* The values of `count` columns in all rows of the domain that `domain` (zkinfer_domain) was made for, each at its place. */
ZKINFER_EXPORT int32_t zkinfer_expand(zkinfer_context *context, zkinfer_address domain, uint32_t k,
                                      const zkinfer_column *columns, const zkinfer_address *places, uint64_t count);

/* ---- Transforms ---- */

/* Elements of a table of powers for exponents below 2^k. */
ZKINFER_EXPORT uint64_t zkinfer_powers_length(uint32_t k);

/* A table of powers of `base` (on the host) for exponents below 2^k. */
ZKINFER_EXPORT int32_t zkinfer_powers(zkinfer_context *context, uint32_t k, const uint64_t base[4], zkinfer_address to);

/* Elements of a domain's tables. */
ZKINFER_EXPORT uint64_t zkinfer_domain_length(uint32_t k);

/* The tables of the domain of 2^k powers of halo2's root of unity, k <= 28: powers of omega (a table of powers), then roots of
 * unity of a tile, then powers of delta. */
ZKINFER_EXPORT int32_t zkinfer_domain(zkinfer_context *context, uint32_t k, zkinfer_address to);

/* A column to be transformed. */
typedef struct {
    zkinfer_address to;
    /* May be `to`; kept otherwise. */
    zkinfer_address from;
    /* A table of the powers of the shift (of its inverse for the inverse) for exponents below 2^k, or 0 for the domain itself. */
    zkinfer_address shift;
} zkinfer_transformed;

/* Transforms `count` columns of 2^k elements (described on the host); natural order on both sides. No column's place is another one's.
 *
 * Forward: coefficients to values at shift * omega^i. Inverse: such values to coefficients. Where k is above 8, takes scratch memory of
 * one column at least, and of as many as there is memory for, up to 64 MiB: columns that have some at the same time share their
 * launches. */
ZKINFER_EXPORT int32_t zkinfer_transform(zkinfer_context *context, zkinfer_address domain, uint32_t k, uint32_t inverse,
                                         const zkinfer_transformed *columns, uint64_t count);

/* ---- Commitments ---- */

/* Points of the curve's group, and multiples of them: `levels` lists of `count` points, one behind the other; the one with the number
 * `l` has the points times 2^(l * width * sets). A point is its coordinates x and y, zeros at infinity. */
typedef struct {
    zkinfer_address points;
    uint64_t count;
    /* The row of the first point. */
    uint64_t first;
    /* 1: there are no multiples, and the other two mean nothing. */
    uint32_t levels;
    /* Bits of the digits that scalars are cut into where multiples are used. */
    uint32_t width;
    /* Digits with the places `i` and `i + sets` share buckets, which multiples make possible. */
    uint32_t sets;
} zkinfer_bases;

/* Chooses `levels`, `width` and `sets` for `count` points with scalars of full width, so that multiples take a quarter of the free
 * memory at most; none are chosen where they save little. */
ZKINFER_EXPORT int32_t zkinfer_choose_multiples(zkinfer_context *context, zkinfer_bases *bases);

/* Writes all lists but the first, which is there. */
ZKINFER_EXPORT int32_t zkinfer_make_multiples(zkinfer_context *context, const zkinfer_bases *bases);

/* The sums of a basis with the values of `count` columns of 2^k rows; writes the coordinates x and y of each, on the host. `bases` are the
 * points of all rows, with any behind them; or those of some neighbouring rows, for the part of the sums that is over these. `ends` are
 * the points of the last rows, up to eight, the sum of all rows' points (the group's generator), and their sum with the powers of omega,
 * with their multiples by 2^(8 * l), 32 lists: tails of so few rows, and what has a closed form, are summed over them, as a part of the
 * sum over the first rows. A column that has a value in every row, ZKINFER_CONSTANT or ZKINFER_SIGMA, has no tail here. Takes scratch
 * memory as far as there is, and more passes where it is short. */
ZKINFER_EXPORT int32_t zkinfer_commit(zkinfer_context *context, const zkinfer_bases *bases, const zkinfer_bases *ends,
                                      zkinfer_address domain, uint32_t k, const zkinfer_column *columns,
                                      uint64_t count, uint64_t *commitments);

typedef struct zkinfer_commitments zkinfer_commitments;

/* Begins the same for columns that were sent: what windows depend on is found in the stream of copies. */
ZKINFER_EXPORT int32_t zkinfer_begin_commit(zkinfer_context *context, const zkinfer_bases *bases, const zkinfer_bases *ends,
                                            zkinfer_address domain, uint32_t k, const zkinfer_column *columns,
                                            uint64_t count, zkinfer_commitments **commitments);

/* Waits for that and starts the sums, which the host does not wait for. Where memory is refused it may be tried again. The columns may
 * be freed from then on, and not before. */
ZKINFER_EXPORT int32_t zkinfer_start_commit(zkinfer_context *context, zkinfer_commitments *commitments);

/* Waits for the sums and writes their coordinates; or gives them up, where `points` is null. They are no more in any case. */
ZKINFER_EXPORT int32_t zkinfer_end_commit(zkinfer_context *context, zkinfer_commitments *commitments, uint64_t *points);

/* ---- Sums of columns, row by row ---- */

enum zkinfer_mode {
    /* to = sum */
    ZKINFER_SET = 0,
    /* to += sum */
    ZKINFER_AND_ADD = 1,
    /* to *= sum */
    ZKINFER_AND_MULTIPLY = 2,
};

/* A column and what it is multiplied with. */
typedef struct {
    zkinfer_column column;
    uint64_t factor[4];
} zkinfer_term;

/* The sum of the next `count` terms, of `identity` times the row's point omega^row, and of `constant`. */
typedef struct {
    zkinfer_address to;
    uint64_t count;
    uint64_t identity[4];
    uint64_t constant[4];
    uint32_t mode;
    uint32_t reserved;
} zkinfer_sum;

/* In each of 2^k rows: `count` sums (on the host, as are their terms), one behind the other. Sums of one place lie side by side; no
 * place is read by a term. */
ZKINFER_EXPORT int32_t zkinfer_combine(zkinfer_context *context, zkinfer_address domain, uint32_t k,
                                       const zkinfer_term *terms, const zkinfer_sum *sums, uint64_t count);

/* In each of 2^k rows with the point p = omega^row: (above[0] * p + above[1]) / (below[0] * p + below[1]), zero where that is divided by
 * zero. */
ZKINFER_EXPORT int32_t zkinfer_fractions(zkinfer_context *context, zkinfer_address domain, uint32_t k,
                                         const uint64_t above[8], const uint64_t below[8], zkinfer_address to);

/* In each of 2^k rows: (numerator - remainder) * inverse, set or added. `remainder` is the value of a polynomial at the row's point, given by
 * `length` coefficients on the host, that of the lowest degree first. */
ZKINFER_EXPORT int32_t zkinfer_add_quotients(zkinfer_context *context, zkinfer_address domain, uint32_t k,
                                             zkinfer_address numerator, zkinfer_address inverse,
                                             const uint64_t *remainder, uint64_t length, uint32_t mode,
                                             zkinfer_address to);

/* Columns that zkinfer_multiply_columns takes at most. */
#define ZKINFER_MOST_COLUMNS 64

/* Columns of `rows` elements, at addresses that lie on the host, become the product of a matrix (on the host, row by row) and them. */
ZKINFER_EXPORT int32_t zkinfer_multiply_columns(zkinfer_context *context, uint64_t rows,
                                                const zkinfer_address *columns, uint32_t size, const uint64_t *matrix);

/* to[0] = start and to[i + 1] = to[i] * from[i], for `count` values, 1 at least; also the last of them. `to` may be `from`. */
ZKINFER_EXPORT int32_t zkinfer_running_products(zkinfer_context *context, zkinfer_address to, zkinfer_address from,
                                                uint64_t count, const uint64_t start[4], uint64_t last[4]);

/* ---- Columns of recipes ---- */

/* Cells of a column of 2^k rows, ZKINFER_INTEGERS or ZKINFER_ELEMENTS: every `stride`-th row from `first` on, `count` of them. Those behind the
 * last one, and those of a tail, are zero. */
typedef struct {
    zkinfer_column column;
    uint64_t first;
    uint64_t stride;
    uint64_t count;
} zkinfer_cells;

typedef struct {
    zkinfer_cells cells;
    uint64_t factor[4];
} zkinfer_cell_term;

/* A sum of the next `count` terms and a constant. */
typedef struct {
    uint64_t count;
    uint64_t constant[4];
} zkinfer_linear_form;

/* `count` linear forms in each of `rows` rows, one behind the other. Forms and their terms lie on the host. */
ZKINFER_EXPORT int32_t zkinfer_sum_cells(zkinfer_context *context, uint32_t k, const zkinfer_cell_term *terms,
                                         const zkinfer_linear_form *forms, uint64_t count, uint64_t rows, zkinfer_address to);

typedef struct {
    zkinfer_cells cells;
    /* 1: one minus the cell. */
    uint32_t off;
    uint32_t reserved;
} zkinfer_gate;

/* An operand with a factor and gates. */
typedef struct {
    uint64_t factor[4];
    /* On the host. */
    const zkinfer_gate *gates;
    uint32_t gate_count;
    uint32_t reserved;
    /* Elements, of which every `stride`-th from `first` on is taken, `count` of them; 0 for one in every row. */
    zkinfer_address operand;
    uint64_t first;
    uint64_t stride;
    uint64_t count;
    /* Rows further down in which the operand is read; it is zero outside of its own. */
    int64_t shift;
} zkinfer_product;

/* The sum of `count` products (on the host) in each of `rows` rows, set or added. `to` is none of the operands. */
ZKINFER_EXPORT int32_t zkinfer_add_products(zkinfer_context *context, uint32_t k, const zkinfer_product *products,
                                            uint64_t count, uint32_t mode, uint64_t rows, zkinfer_address to);

/* reads[i] = reads[i - 1] * steps[i] + reads[i], from zero before the first, for `count` values. */
ZKINFER_EXPORT int32_t zkinfer_recurrence(zkinfer_context *context, zkinfer_address steps, zkinfer_address reads,
                                          uint64_t count);

/* to[first + stride * i] = from[i] for `count` elements. */
ZKINFER_EXPORT int32_t zkinfer_place(zkinfer_context *context, zkinfer_address to, uint64_t first, uint64_t stride,
                                     zkinfer_address from, uint64_t count);

/* What an operand of the scalar unit is a copy of. */
enum zkinfer_scalar_operand {
    ZKINFER_NOTHING = 0,
    /* Those of an earlier row; the first operand, for the second one, of the own row too. */
    ZKINFER_FIRST_OPERAND = 1,
    ZKINFER_SECOND_OPERAND = 2,
    ZKINFER_RESULT = 3,
    /* And the number of a source. */
    ZKINFER_SOURCE = 4,
};

/* Rows that take results of earlier waves alone, but for that of the row before: entries of the order. A wave that is not wide is done by one
 * block of threads, a thread for each run of rows. */
typedef struct {
    uint64_t first;
    uint64_t count;
    uint32_t wide;
    uint32_t reserved;
} zkinfer_wave;

/* Rows with operands a, b and results c_i = c_(i-1) * step_i + product_i * a_i * b_i + operand_i * a_i + constant_i. */
typedef struct {
    /* On the host. */
    const zkinfer_column *sources;
    uint64_t source_count;
    /* On the host: columns whose sum, with their factors, is the step. */
    const zkinfer_term *steps;
    uint64_t step_count;
    zkinfer_column product;
    zkinfer_column operand;
    zkinfer_column constant;
    /* Of each row: kind and row of a, kind and row of b. */
    zkinfer_address operands;
    /* Rows wave by wave, in each wave from the first to the last. */
    zkinfer_address order;
    /* On the host. */
    const zkinfer_wave *waves;
    uint64_t wave_count;
    zkinfer_address a;
    zkinfer_address b;
    zkinfer_address c;
} zkinfer_scalar_unit;

ZKINFER_EXPORT int32_t zkinfer_scalar_rows(zkinfer_context *context, zkinfer_address domain, uint32_t k,
                                           const zkinfer_scalar_unit *unit);

/* ---- Evaluations ---- */

/* A column whose polynomial is asked for at omega^rotation * x. */
typedef struct {
    zkinfer_column column;
    int32_t rotation;
    uint32_t reserved;
} zkinfer_query;

/* The values that `count` queries (on the host) ask for. `weights` are the values of the Lagrange polynomials of the 2^k rows at x. */
ZKINFER_EXPORT int32_t zkinfer_evaluate(zkinfer_context *context, zkinfer_address domain, uint32_t k,
                                        zkinfer_address weights, const uint64_t x[4], const zkinfer_query *queries,
                                        uint32_t count, uint64_t *values);

/* ---- Straight-line programs ---- */

enum zkinfer_operand_kind {
    ZKINFER_REGISTER = 0,
    ZKINFER_SCALAR = 1,
    /* Of slot `index`, in the row that lies `rotation` rows further on, around the end. */
    ZKINFER_CELL = 2,
    /* shift * omega^row */
    ZKINFER_POINT = 3,
};

typedef struct {
    uint32_t kind;
    /* 0 where nothing is numbered. */
    uint32_t index;
    /* 0 but for cells. */
    int32_t rotation;
} zkinfer_operand;

enum zkinfer_step {
    /* a + b */
    ZKINFER_SUM = 0,
    /* a - b */
    ZKINFER_DIFFERENCE = 1,
    /* a * b */
    ZKINFER_PRODUCT = 2,
    /* a; b is not read. */
    ZKINFER_COPY = 3,
    /* register + a * b */
    ZKINFER_SUM_OF_PRODUCT = 4,
};

typedef struct {
    uint32_t operation;
    /* The register that takes the result. */
    uint32_t to;
    zkinfer_operand a;
    zkinfer_operand b;
} zkinfer_instruction;

/* All of it on the host. */
typedef struct {
    const zkinfer_instruction *instructions;
    uint64_t length;
    /* Columns of 2^k elements. */
    const zkinfer_address *slots;
    const uint64_t *scalars;
    uint32_t slot_count;
    uint32_t scalar_count;
    uint32_t registers;
    /* The register of the result. */
    uint32_t result;
} zkinfer_program;

/* Adds the program's result in each of 2^k rows to `to`. `printed` tells whether a kernel was printed for the program; with
 * `interpreted` it is not looked for. */
ZKINFER_EXPORT int32_t zkinfer_run_program(zkinfer_context *context, zkinfer_address domain, uint32_t k,
                                           const zkinfer_program *program, const uint64_t shift[4],
                                           uint32_t interpreted, zkinfer_address to, uint32_t *printed);

#ifdef __cplusplus
}
#endif

#endif
