#include "host/bus/embedded/ledger.h"

#include <algorithm>
#include <utility>

#include "host/base/status.h"

namespace outboard::bus {
Ledger::Ledger(Progress at, Limits limits) : limits_(limits), closed_(std::move(at)) {}

const Ledger::Progress& Ledger::Open(Time now) {
  OUTBOARD_CHECK(!open_);
  open_ = true;
  base_ = 0;
  ended_ = 0;
  entries_.clear();
  for (const uint64_t offset : closed_.unsettled) entries_.push_back({offset, now, false});
  scanned_to_ = std::max(closed_.cursor, closed_.ended_to);
  return closed_;
}

void Ledger::Close() {
  if (!open_) return;
  closed_ = Now();
  open_ = false;
  entries_.clear();
}

void Ledger::Take(const std::vector<uint64_t>& offsets, uint64_t scanned_to, Time now) {
  for (const uint64_t offset : offsets) entries_.push_back({offset, now, false});
  scanned_to_ = std::max(scanned_to_, scanned_to);
}

uint64_t Ledger::Find(uint64_t seq) const {
  if (!open_ || seq < base_ || seq - base_ >= entries_.size()) return 0;
  const Entry& entry = entries_[seq - base_];
  return entry.ended ? 0 : entry.offset;
}

void Ledger::End(uint64_t seq) {
  entries_[seq - base_].ended = true;
  ++ended_;
}

void Ledger::Unend(uint64_t seq) {
  entries_[seq - base_].ended = false;
  --ended_;
}

void Ledger::Trim() {
  while (!entries_.empty() && entries_.front().ended) {
    entries_.pop_front();
    ++base_;
    --ended_;
  }
}

uint64_t Ledger::cursor() const {
  if (!open_) return closed_.cursor;
  for (const Entry& entry : entries_) {
    if (!entry.ended) return entry.offset;
  }
  return scanned_to_;
}

Ledger::Progress Ledger::Now() const {
  if (!open_) return closed_;
  Progress now;
  now.taken_to = std::max(closed_.taken_to, scanned_to_);
  size_t i = 0;
  while (i < entries_.size() && entries_[i].ended) ++i;
  now.cursor = i < entries_.size() ? entries_[i].offset : scanned_to_;
  now.ended_to = now.cursor;
  for (size_t left = ended_ - i; left > 0; ++i) {
    if (entries_[i].ended) {
      now.ended_to = entries_[i].offset + 1;
      --left;
    } else {
      now.unsettled.push_back(entries_[i].offset);
    }
  }
  // What was unsettled before and not yet handed out again stands among entries_, below this.
  if (now.ended_to < closed_.ended_to && now.cursor < closed_.ended_to) {
    for (; i < entries_.size() && entries_[i].offset < closed_.ended_to; ++i) {
      now.unsettled.push_back(entries_[i].offset);
    }
    now.ended_to = closed_.ended_to;
  }
  return now;
}

std::vector<uint64_t> Ledger::Stragglers(Time now, bool pressed) const {
  std::vector<uint64_t> stragglers;
  if (!open_ || entries_.empty()) return stragglers;
  const uint64_t ended_above = pressed ? limits_.ended_above / 64 : limits_.ended_above;
  size_t i = 0;
  while (i < entries_.size() && entries_[i].ended) ++i;
  size_t above = ended_ - i;  // Ended, above entry i.
  const bool crowded = above > ended_above;
  for (; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (entry.ended) {
      --above;
      continue;
    }
    const bool far =
        scanned_to_ - entry.offset > limits_.distance && now - entry.taken >= limits_.age;
    if (!far && !(crowded && above > ended_above / 2)) break;
    stragglers.push_back(base_ + i);
  }
  return stragglers;
}

}  // namespace outboard::bus
