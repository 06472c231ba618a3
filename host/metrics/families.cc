#include "host/metrics/families.h"

#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>

#include "host/base/text.h"

namespace outboard::metrics {
namespace {

constexpr size_t kMaxLabelBytes = 128;

prometheus::ClientMetric Metric(const Labels& labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : labels) {
    metric.label.push_back({name, LabelValue(value)});
  }
  return metric;
}

}  // namespace

std::string LabelValue(const std::string& value) {
  return Truncate(EscapeForPeople(value), kMaxLabelBytes);
}

// A Collectable, so that a registry of prometheus-cpp could take it as it is.
struct Families::Impl final : prometheus::Collectable {
  std::vector<prometheus::MetricFamily> Collect() const override { return families; }

  void Begin(const char* name, const char* help, prometheus::MetricType type) {
    families.push_back({name, help, type, {}});
  }

  std::vector<prometheus::MetricFamily> families;
};

Families::Families() : impl_(std::make_unique<Impl>()) {}
Families::~Families() = default;

void Families::Counter(const char* name, const char* help) {
  impl_->Begin(name, help, prometheus::MetricType::Counter);
}

void Families::Gauge(const char* name, const char* help) {
  impl_->Begin(name, help, prometheus::MetricType::Gauge);
}

void Families::Histogram(const char* name, const char* help) {
  impl_->Begin(name, help, prometheus::MetricType::Histogram);
}

void Families::Add(const Labels& labels, double value) {
  prometheus::MetricFamily& family = impl_->families.back();
  prometheus::ClientMetric metric = Metric(labels);
  if (family.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(std::move(metric));
}

void Families::Add(const Labels& labels, const lane::Durations& durations) {
  prometheus::ClientMetric metric = Metric(labels);
  uint64_t sum = 0;
  for (size_t i = 0; i < durations.counts.size(); ++i) {
    sum += durations.counts[i];
    if (i < lane::Durations::kBounds.size()) {
      metric.histogram.bucket.push_back({sum, lane::Durations::kBounds[i]});
    }
  }
  metric.histogram.sample_count = sum;
  metric.histogram.sample_sum = durations.sum;
  impl_->families.back().metric.push_back(std::move(metric));
}

std::string Families::Text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, impl_->families);
  return out.str();
}

}  // namespace outboard::metrics
