#pragma once

#include <amqp.h>

#include <cstddef>

#include "absl/status/status.h"
#include "host/dialect/message.h"

// Header tables and properties between the model's types and the library's.
namespace outboard::bus::amqp {

// Tables in tables beyond this are not sent, and read as nothing: our walks are recursive.
inline constexpr int kMaxTableDepth = 64;

dialect::Table ReadTable(const amqp_table_t& table);
dialect::Properties ReadProperties(const amqp_basic_properties_t& properties);

// Fills the library's structs, which point into what is written and into `pool`: both must outlive
// them. INVALID_ARGUMENT: names what cannot be sent, and why. One use.
class TableWriter {
 public:
  explicit TableWriter(amqp_pool_t* pool) : pool_(pool) {}

  absl::Status Write(const dialect::Table& table, amqp_table_t* out);
  absl::Status Write(const dialect::Properties& properties, amqp_basic_properties_t* out);
  // On the wire, of all that was written.
  size_t bytes() const { return bytes_; }

 private:
  absl::Status Put(const dialect::Table& table, int depth, amqp_table_t* out);
  absl::Status Put(const dialect::Field& field, int depth, amqp_field_value_t* out);
  absl::Status PutInteger(const dialect::Field& field, amqp_field_value_t* out);
  absl::Status PutArray(const dialect::Field& field, int depth, amqp_array_t* out);
  template <typename T>
  T* Allocate(size_t count);

  amqp_pool_t* const pool_;
  size_t bytes_ = 0;
};

}  // namespace outboard::bus::amqp
