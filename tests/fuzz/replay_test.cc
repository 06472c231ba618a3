// Runs a fuzz target without libFuzzer: every file of its corpus, then random mutations of them.
// OUTBOARD_FUZZ_RUNS: how many (default 200000) of a target that costs 1. OUTBOARD_FUZZ_SEED: from
// which seed (default 1).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace outboard::fuzz {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::vector<std::string> Corpus() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(OUTBOARD_CORPUS)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

void RunTarget(const std::string& input) {
  // An exact copy on the heap, so that AddressSanitizer sees a read beyond its end.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

class Mutator {
 public:
  Mutator(uint64_t seed, const std::vector<std::string>& corpus) : random_(seed), corpus_(corpus) {}

  std::string Next() {
    std::string input = corpus_[Below(corpus_.size())];
    for (size_t n = 1 + Below(4); n > 0; --n) Mutate(&input);
    return input;
  }

 private:
  size_t Below(size_t n) { return n == 0 ? 0 : random_() % n; }

  char Byte() {
    // Tags, lengths and ends of varints and UTF-8, quotes and wildcards.
    static constexpr char kTelling[] =
        "\x00\x01\x02\x08\x0A\x10\x12\x1A\x22\x2A\x32\x3A\x42\x7F\x80\xC0\xED\xF4\xFF\"{}[],:\\.*#"
        "\n";
    return Below(2) == 0 ? kTelling[Below(sizeof(kTelling))] : static_cast<char>(random_());
  }

  void Mutate(std::string* input) {
    const size_t at = Below(input->size() + 1);
    const size_t n = 1 + Below(8);
    switch (Below(7)) {
      case 0:
        if (at < input->size()) (*input)[at] = Byte();
        return;
      case 1:
        if (at < input->size()) (*input)[at] = static_cast<char>((*input)[at] ^ (1 << Below(8)));
        return;
      case 2: input->insert(at, 1, Byte()); return;
      case 3: input->erase(at, n); return;
      case 4:  // A piece of it again, elsewhere.
        input->insert(at, input->substr(Below(input->size()), n * 4));
        return;
      case 5:  // The end of another one.
        *input = input->substr(0, at) + Tail(corpus_[Below(corpus_.size())]);
        return;
      default:
        if (at < input->size())
          (*input)[at] = static_cast<char>((*input)[at] + (Below(2) == 0 ? 1 : -1));
    }
  }

  std::string Tail(const std::string& text) { return text.substr(Below(text.size() + 1)); }

  std::mt19937_64 random_;
  const std::vector<std::string>& corpus_;
};

TEST(ReplayTest, TheCorpusHolds) {
  const std::vector<std::string> corpus = Corpus();
  ASSERT_GE(corpus.size(), 5u) << "no corpus in " << OUTBOARD_CORPUS;
  for (const std::string& input : corpus) RunTarget(input);
  RunTarget("");
}

TEST(ReplayTest, MutationsOfTheCorpusHold) {
  const std::vector<std::string> corpus = Corpus();
  ASSERT_FALSE(corpus.empty());
  const uint64_t seed = FromEnvironment("OUTBOARD_FUZZ_SEED", 1);
  const uint64_t runs = FromEnvironment("OUTBOARD_FUZZ_RUNS", 200'000) / OUTBOARD_FUZZ_COST;
  std::fprintf(stderr, "OUTBOARD_FUZZ_SEED=%ju, %ju runs\n", uintmax_t{seed}, uintmax_t{runs});
  Mutator mutator(seed, corpus);
  for (uint64_t i = 0; i < runs; ++i) RunTarget(mutator.Next());
}

}  // namespace
}  // namespace outboard::fuzz
