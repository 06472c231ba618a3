#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/lane/io.h"

namespace outboard::metrics {

// Names and values of labels, in the order in which they are shown.
using Labels = std::vector<std::pair<std::string, std::string>>;

// `value` as a label shows it: printable UTF-8, cut to 128 bytes.
std::string LabelValue(const std::string& value);

// Metric families under construction. Keeps prometheus-cpp out of our headers.
class Families {
 public:
  Families();
  ~Families();

  // Begins a family; Add is for the one begun last.
  void Counter(const char* name, const char* help);
  void Gauge(const char* name, const char* help);
  void Histogram(const char* name, const char* help);

  void Add(const Labels& labels, double value);
  void Add(const Labels& labels, uint64_t value) { Add(labels, static_cast<double>(value)); }
  void Add(const Labels& labels, bool value) { Add(labels, value ? 1.0 : 0.0); }
  void Add(const Labels& labels, const lane::Durations& durations);

  // All of them in the text format.
  std::string Text() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace outboard::metrics
