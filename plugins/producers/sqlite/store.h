#pragma once

#include <sys/types.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "outboard/plugin.h"
#include "plugins/producers/sqlite/config.h"
#include "plugins/producers/sqlite/database.h"

namespace outboard::sqlite {

// The table of Hermes's SQLite bus, in a file of its own. A batch is one transaction that is on the
// disk when its events are accepted; an event that is there already is accepted again at its place.
// After a failure the file is opened anew. Any thread.
class Store {
 public:
  explicit Store(Config config) : config_(std::move(config)) {}

  // Opens the file and makes what it lacks. Says what went wrong, or nothing.
  std::string Open();
  // Puts the batch in its order, or none of it.
  void Put(std::span<BatchItem> batch);

 private:
  using Clock = std::chrono::system_clock;

  bool Prepare();
  bool IsReplaced() const;
  // Under the lock. False: the database says why.
  bool Write(std::span<BatchItem> batch, std::vector<Verdict>* verdicts);
  std::optional<Verdict> PutOne(const Event& event, Timestamp now);
  std::optional<Verdict> Insert(const Event& event, std::string_view data, Timestamp now);
  bool Prune(Timestamp now);
  void Fail(std::span<BatchItem> batch, const char* reason, const std::string& message);
  void Close();

  const Config config_;
  std::mutex mutex_;
  Database database_;
  Statement begin_, commit_, find_, insert_, remember_, prune_, forget_;
  dev_t device_ = 0;  // Of the file that is open.
  ino_t inode_ = 0;
  Timestamp next_prune_;
};

}  // namespace outboard::sqlite
