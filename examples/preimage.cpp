// Finds the word that has a given hash by trying all of them, and stops as soon as it is found.
//
//   preimage [--word WORD | --hash HEX --length N] [--processes N]
//
// The words that begin with the same two letters are one call of a pool. imap_unordered gives the
// results as they come; leaving the loop over them cancels the calls that have no result yet.
#include <charconv>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <steward/examples/support.hpp>
#include <steward/steward.hpp>

using namespace steward;
using namespace examples;

namespace {

constexpr std::string_view kUsage =
    "preimage [--word WORD | --hash HEX --length N] [--processes N]\n"
    "  --word WORD     is to be found by nothing but its hash; \"window\" if not given\n"
    "  --hash HEX      the hash (FNV-1a, 64 bits) of an unknown word of small letters\n"
    "  --length N      of that word, from 3 to 10\n"
    "  --processes N   as many as there are processors if not given\n";

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz";
constexpr std::uint64_t kStart = 0xCBF29CE484222325;

constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = kStart) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}
static_assert(fnv1a("foobar") == 0x85944171F73967E8);  // as its authors say

// Extends `word`, which has the hash `hash`, to `length`. Whether it then has the hash `wanted`.
bool extend(std::string& word, std::size_t length, std::uint64_t hash, std::uint64_t wanted) {
  if (word.size() == length) return hash == wanted;
  for (const char letter : kLetters) {
    word.push_back(letter);
    if (extend(word, length, fnv1a({&letter, 1}, hash), wanted)) return true;
    word.pop_back();
  }
  return false;
}

// The word that begins so; empty if there is none.
struct Search {
  std::uint64_t wanted = 0;
  std::size_t length = 0;

  std::string operator()(std::string word) const {
    const std::uint64_t hash = fnv1a(word);
    return extend(word, length, hash, wanted) ? word : std::string();
  }
  MSGPACK_DEFINE(wanted, length)
};

std::vector<std::string> beginnings() {
  std::vector<std::string> all;
  for (const char first : kLetters) {
    for (const char second : kLetters) all.push_back({first, second});
  }
  return all;
}

struct Found {
  std::string word;
  std::size_t searched = 0;  // beginnings
};

Found search_together(const Search& search, std::size_t processes) {
  Found found;
  Pool pool({.processes = processes, .on_progress = progress_bar("beginnings")});
  for (const std::string& word : pool.imap_unordered(search, beginnings())) {
    ++found.searched;
    if (word.empty()) continue;
    found.word = word;
    break;
  }
  return found;
}

Found search_alone(const Search& search) {
  Found found;
  for (const std::string& beginning : beginnings()) {
    ++found.searched;
    found.word = search(beginning);
    if (!found.word.empty()) break;
  }
  return found;
}

std::string hex(std::uint64_t number) {
  std::ostringstream text;
  text << std::hex << std::setfill('0') << std::setw(16) << number;
  return text.str();
}

Search parse(Arguments& arguments) {
  const std::string word = arguments.text("--word", "window");
  const std::string text = arguments.text("--hash", hex(fnv1a(word)));
  Search search;
  search.length = arguments.number<std::size_t>("--length", word.size(), 3, 10);
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), search.wanted, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    Arguments::refuse("--hash takes a number of up to 16 hexadecimal digits");
  }
  if (search.length < 3 || search.length > 10 ||
      word.find_first_not_of(kLetters) != std::string::npos) {
    Arguments::refuse("--word takes 3 to 10 small letters");
  }
  return search;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv, kUsage);
  const Search search = parse(arguments);
  const std::size_t processes = arguments.processes();
  arguments.end();
  std::cout << "Which word of " << search.length << " letters has the hash " << hex(search.wanted)
            << "?" << std::endl;

  const auto together = timed([&] { return search_together(search, processes); });
  const auto alone = timed([&] { return search_alone(search); });
  const std::string& word = together.result.word;
  std::cout << (word.empty() ? "None" : word) << ", after " << together.result.searched << " of "
            << beginnings().size() << " beginnings\n"
            << speed(alone.seconds, together.seconds, processes) << '\n';
  if (word.empty()) return verdict(alone.result.word.empty(), "one process finds none either.");
  return verdict(fnv1a(word) == search.wanted, "it has that hash.");
}
