#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outboard {

// One value of a call: an argument or an answer.
struct Payload {
  std::string data;          // JSON text, never empty; of another media type, any bytes.
  std::string content_type;  // Empty: application/json.
};

// The same, as a view.
struct PayloadView {
  std::string_view data;
  std::string_view content_type;

  bool is_json() const { return content_type.empty() || content_type == "application/json"; }
  Payload Copy() const { return {std::string(data), std::string(content_type)}; }
};

inline Payload Json(std::string text) { return {std::move(text), ""}; }

// A request on its way through a pipeline, read in place: what it returns points into memory that
// lives until the handler returns. Never changes; any thread. Looking up walks the bytes: keep what
// you need twice.
class Call {
 public:
  // Views an encoded outboard.plugin.v1.Call, which must outlive the view. Nothing where it is not
  // one.
  static std::optional<Call> Parse(std::string_view wire);

  std::string_view pipeline() const { return pipeline_; }
  std::string_view operation() const { return operation_; }
  // Positional arguments.
  size_t arg_count() const { return arg_count_; }
  std::optional<PayloadView> arg(size_t position) const;
  // A named argument.
  std::optional<PayloadView> kwarg(std::string_view name) const;
  // What the caller's context has under that name, such as traceparent, project or user; nothing
  // where it has none.
  std::optional<std::string_view> context(std::string_view name) const;

  void ForEachArg(const std::function<void(PayloadView value)>& visit) const;
  void ForEachKwarg(
      const std::function<void(std::string_view name, PayloadView value)>& visit) const;
  void ForEachContext(
      const std::function<void(std::string_view name, std::string_view value)>& visit) const;

  // The call as it is encoded.
  std::string_view wire() const { return wire_; }

 private:
  std::string_view wire_, pipeline_, operation_;
  size_t arg_count_ = 0;
};

// A call to go on with: a stage changes arguments or context and leaves pipeline and operation as
// they are. In tests, also a call to make.
struct NewCall {
  std::string pipeline;
  std::string operation;
  std::vector<Payload> args;
  std::map<std::string, Payload> kwargs;
  std::map<std::string, std::string> context;

  static NewCall From(const Call& call);
  // The encoded outboard.plugin.v1.Call.
  std::string Encode() const;
};

}  // namespace outboard
