// double.h: the ledger computes in double, whatever -Dreal says.  Include it before every other header of the house.
//
// Golden values carry 17 digits, and adapters hand double arrays straight to formulas that take `real *`.
#ifndef TILT_DOUBLE_H
#define TILT_DOUBLE_H

#ifdef TILT_BASE_H
#error "include ref/ledger/double.h first: base.h has already fixed the number type"
#endif

#undef real
#define real double

#endif
