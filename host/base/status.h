#pragma once

#include <cstdio>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the calling function if `expr` (an absl::Status) is not OK.
#define OUTBOARD_RETURN_IF_ERROR(expr)                                                           \
  do {                                                                                           \
    if (absl::Status outboard_status_ = (expr); !outboard_status_.ok()) return outboard_status_; \
  } while (false)

#define OUTBOARD_STATUS_CONCAT_(a, b) a##b
#define OUTBOARD_STATUS_NAME_(line) OUTBOARD_STATUS_CONCAT_(outboard_statusor_, line)

// `lhs = value of expr` (an absl::StatusOr), or returns its status.
#define OUTBOARD_ASSIGN_OR_RETURN(lhs, expr) \
  OUTBOARD_ASSIGN_OR_RETURN_(OUTBOARD_STATUS_NAME_(__LINE__), lhs, expr)
#define OUTBOARD_ASSIGN_OR_RETURN_(name, lhs, expr) \
  auto name = (expr);                               \
  if (!name.ok()) return std::move(name).status();  \
  lhs = *std::move(name)

// For what cannot happen, never for input from plugins, brokers, people or disk: aborts, in every
// build.
#define OUTBOARD_CHECK(cond)                                                        \
  do {                                                                              \
    if (!(cond)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #cond); \
      std::abort();                                                                 \
    }                                                                               \
  } while (false)
