// pipeliner.py in C++: the same stages, with the same record of what they were asked in the file
// that argv[1] names.
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "outboard/outboard.h"

namespace {

using Json = nlohmann::json;
using outboard::Call;
using outboard::Context;
using outboard::Verdict;

std::string records;
std::mutex mutex;

// Of bytes, how many: a record is JSON.
Json Value(const outboard::PayloadView& payload) {
  return payload.is_json() ? Json::parse(payload.data) : Json(payload.data.size());
}
outboard::Payload Answer(const Json& value) { return outboard::Json(value.dump()); }

void Write(const Json& line) {
  const std::lock_guard lock(mutex);
  std::ofstream(records, std::ios::app) << line.dump() + "\n";
}

void Note(const char* stage, const Call& call) {
  Json line = {{"stage", stage},
               {"operation", call.operation()},
               {"args", Json::array()},
               {"kwargs", Json::object()},
               {"context", Json::object()}};
  call.ForEachArg([&](outboard::PayloadView value) { line["args"].push_back(Value(value)); });
  call.ForEachKwarg([&](std::string_view name, outboard::PayloadView value) {
    line["kwargs"][std::string(name)] = Value(value);
  });
  call.ForEachContext([&](std::string_view name, std::string_view value) {
    line["context"][std::string(name)] = value;
  });
  Write(line);
}

Verdict First(const Call& call, Context&) {
  Note("first", call);
  const std::string_view operation = call.operation();
  if (operation == "with_args") return outboard::Halt(call.arg(0)->Copy());
  if (operation == "with_kwargs") {
    const auto named = call.kwarg("name");
    return outboard::Halt(named ? named->Copy() : call.arg(0)->Copy());
  }
  if (operation == "with_args_kwargs") {
    Json all = Json::array();
    call.ForEachArg([&](outboard::PayloadView value) { all.push_back(Value(value)); });
    Json named = Json::object();
    call.ForEachKwarg([&](std::string_view name, outboard::PayloadView value) {
      named[std::string(name)] = Value(value);
    });
    all.push_back(named);
    return outboard::Halt(Answer(all));
  }
  if (operation == "change") {
    outboard::NewCall changed = outboard::NewCall::From(call);
    changed.args[0] = outboard::Json("\"changed\"");
    changed.kwargs = {{"added", outboard::Json("true")}};
    return outboard::Continue(std::move(changed));
  }
  return outboard::Continue();
}

Verdict Slow(const Call& call, Context& context) {
  const double seconds = Value(*call.arg(0)).get<double>();
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end && !context.cancelled())
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto tag = call.kwarg("tag");
  if (context.cancelled())
    Write({{"stage", "second"}, {"cancelled", tag ? Value(*tag) : Json("")}});
  return outboard::Continue();
}

Verdict Second(const Call& call, Context& context) {
  Note("second", call);
  const std::string_view operation = call.operation();
  if (operation == "with_args") throw std::runtime_error("not to be reached");
  if (operation == "calls_the_latest") return outboard::Halt(outboard::Json("true"));
  if (operation == "change") {
    Json got = {{"args", Json::array()}, {"kwargs", Json::object()}};
    call.ForEachArg([&](outboard::PayloadView value) { got["args"].push_back(Value(value)); });
    call.ForEachKwarg([&](std::string_view name, outboard::PayloadView value) {
      got["kwargs"][std::string(name)] = Value(value);
    });
    return outboard::Halt(Answer(got));
  }
  if (operation == "answer") return outboard::Halt(call.arg(0)->Copy());
  if (operation == "nothing") return outboard::Halt();
  if (operation == "slow") return Slow(call, context);
  if (operation == "die") _exit(5);
  if (operation == "fail") {
    const auto reason = Value(*call.arg(1)).get<std::string>();
    Verdict failed = Value(*call.arg(0)) == "retry" ? outboard::Retry(reason, "as asked")
                                                    : outboard::Reject(reason, "as asked");
    failed.Detail("where it happened").Metadata("queue", "q1");
    const auto facts = call.arg(2);
    for (int n = 0; facts && n < Value(*facts).get<int>(); ++n)
      failed.Metadata("fact" + std::to_string(n), "value " + std::to_string(n));
    return failed;
  }
  return outboard::Continue();
}

Verdict Lovely(const Call& call, Context&) {
  Note("lovely", call);
  if (call.operation() == "delete" && Value(*call.arg(0)) == "lovely")
    return outboard::Halt(Answer("lovely queues are not deleted"));
  return outboard::Continue();
}

Verdict Store(const Call& call, Context&) {
  static std::set<std::string> queues;  // One thread.
  Note("store", call);
  const auto name = Value(*call.arg(0)).get<std::string>();
  if (call.operation() == "create") return outboard::Halt(Answer(queues.insert(name).second));
  if (call.operation() == "delete") {
    queues.erase(name);
    return outboard::Halt(outboard::Json("null"));
  }
  return outboard::Halt(Answer(queues.count(name) > 0));
}

outboard::StageOptions Hooking(std::vector<std::string> operations, uint32_t concurrency) {
  outboard::StageOptions options;
  options.operations = std::move(operations);
  options.concurrency = concurrency;
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  records = argv[1];
  outboard::Plugin plugin("pipeliner", "1.0");
  plugin
      .Stage("first", First,
             Hooking({"with_args", "with_kwargs", "with_args_kwargs", "does_nothing",
                      "calls_the_latest", "change", "answer", "slow", "fail", "die", "nothing"},
                     8))
      .Stage("second", Second,
             Hooking({"with_args", "does_nothing", "calls_the_latest", "change", "answer", "slow",
                      "fail", "die", "nothing"},
                     8))
      .Stage("lovely", Lovely, Hooking({"create", "delete"}, 1))
      .Stage("store", Store, Hooking({"create", "delete", "exists"}, 1));
  return outboard::Serve(plugin);
}
