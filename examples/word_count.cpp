// Counts the words of files with several processes.
//
//   word_count [--workers N] [--top N] FILE...
//
// The files are cut into chunks of whole lines, which wait in a managed queue. Workers, a process
// each, take chunks from it, count, and add what they find to one managed dict. A second program,
// told nothing but the text of a handle, shows how far they are. At the end a single process counts
// once more, alone, and the program says whether both agree.
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <unistd.h>

#include <steward/steward.hpp>

using namespace steward;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kUsage =
    "word_count [--workers N] [--top N] FILE...   counts the words of the files\n"
    "  --workers N    processes that count; as many as there are processors if not given\n"
    "  --top N        how many of the most frequent words are shown; 10 if not given\n"
    "word_count [--top N] --watch TOKEN           shows how a count goes that runs elsewhere\n";

using Counts = std::map<std::string, std::int64_t>;

// Whole lines of a file.
struct Chunk {
  std::string file;
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
  MSGPACK_DEFINE(file, begin, size)
};

// What all processes share.
struct Job {
  Queue<Chunk> chunks;
  Dict<std::string, std::int64_t> words;
  Dict<std::string, std::int64_t> progress;  // "bytes" of "total" counted, "calls", "finished"
  List<std::string> seen;                    // files that somebody has begun with, each once
  Lock lock;                                 // guards `seen` between a look and a change
  MSGPACK_DEFINE(chunks, words, progress, seen, lock)
};

struct Options {
  std::vector<std::string> files;
  unsigned workers = cpu_count();
  std::size_t top = 10;
  std::string watch;
};

// ---- Counting ----

std::string read(const Chunk& chunk) {
  std::ifstream in(chunk.file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(chunk.begin));
  std::string text(chunk.size, '\0');
  in.read(text.data(), static_cast<std::streamsize>(chunk.size));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

// Letters, digits and whatever is not ASCII; letters count as small ones.
Counts count_words(const std::string& text) {
  Counts counts;
  std::string word;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte) != 0) {
      word += static_cast<char>(byte < 0x80 ? std::tolower(byte) : byte);
    } else if (!word.empty()) {
      ++counts[word];
      word.clear();
    }
  }
  if (!word.empty()) ++counts[word];
  return counts;
}

void work(Job job) {
  for (const Chunk& chunk : job.chunks) {  // until it is closed and empty
    {
      std::scoped_lock hold(job.lock);
      if (!job.seen.contains(chunk.file)) job.seen.append(chunk.file);
    }
    const Counts counts = count_words(read(chunk));
    for (const auto& [word, count] : counts) job.words.add(word, count);
    job.progress.add("calls", static_cast<std::int64_t>(counts.size()));
    job.progress.add("bytes", static_cast<std::int64_t>(chunk.size));
  }
}

// ---- Cutting ----

// Where the line ends that the byte `at` stands in.
std::uint64_t end_of_line(std::ifstream& in, std::uint64_t at, std::uint64_t size) {
  if (at >= size) return size;
  in.clear();
  in.seekg(static_cast<std::streamoff>(at - 1));
  for (char c = 0; in.get(c) && c != '\n';) ++at;
  return std::min(at, size);
}

std::vector<Chunk> cut(const std::string& file, std::uint64_t chunk_bytes) {
  const std::uint64_t size = std::filesystem::file_size(file);
  std::ifstream in(file, std::ios::binary);
  std::vector<Chunk> chunks;
  for (std::uint64_t begin = 0; begin < size;) {
    const std::uint64_t end = end_of_line(in, begin + chunk_bytes, size);
    chunks.push_back({file, begin, end - begin});
    begin = end;
  }
  return chunks;
}

std::vector<Chunk> cut(const std::vector<std::string>& files, std::uint64_t total,
                       unsigned workers) {
  // Several for each worker, so that none is left with all the rest; not so many that handing them
  // out and merging them is the work.
  const std::uint64_t chunk_bytes =
      std::clamp<std::uint64_t>(total / (workers * 4ULL), 16U << 10U, 1U << 20U);
  std::vector<Chunk> chunks;
  for (const std::string& file : files) {
    for (Chunk& chunk : cut(file, chunk_bytes)) chunks.push_back(std::move(chunk));
  }
  return chunks;
}

// ---- Watching: the second program ----

void print_top(const Dict<std::string, std::int64_t>& words, std::size_t top) {
  auto items = words.items();
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (items.size() > top) items.resize(top);
  for (const auto& [word, count] : items) std::cout << "  " << word << ": " << count << '\n';
}

// One line that grows on a terminal, a line for each tenth elsewhere. `before` was shown last.
void print_progress(std::int64_t percent, std::int64_t before, bool finished) {
  if (::isatty(STDOUT_FILENO) != 0) {
    constexpr std::size_t kWidth = 40;
    const std::size_t filled = kWidth * static_cast<std::size_t>(percent) / 100;
    std::cout << "\r[" << std::string(filled, '#') << std::string(kWidth - filled, '.') << "] "
              << percent << " %" << (finished ? "\n" : "") << std::flush;
  } else if (percent / 10 > before / 10 || (finished && percent != before)) {
    std::cout << percent << " % counted" << std::endl;
  }
}

int watch(const std::string& token, std::size_t top) {
  const Job job = open<List<Job>>(token).at(0);
  std::int64_t shown = 0;
  for (bool finished = false; !finished; std::this_thread::sleep_for(20ms)) {
    auto progress = job.progress.copy();
    finished = progress["finished"] != 0;
    const std::int64_t total = progress["total"];
    const std::int64_t percent = total == 0 ? 100 : progress["bytes"] * 100 / total;
    print_progress(percent, shown, finished);
    shown = percent;
  }
  print_top(job.words, top);
  return 0;
}

// Turns this process into that program.
void become_watcher(std::string token, std::string top) {
  ::execl("/proc/self/exe", "word_count", "--top", top.c_str(), "--watch", token.c_str(), nullptr);
  std::perror("word_count: cannot start the second program");
  std::exit(1);
}

// ---- The first program ----

bool ended_well(const Process& process) {
  if (process.exitcode() == 0) return true;
  std::cerr << "word_count: " << process.name() << " failed\n";
  return false;
}

int count(const Options& options) {
  std::uint64_t total = 0;
  for (const std::string& file : options.files) total += std::filesystem::file_size(file);
  const auto start = std::chrono::steady_clock::now();

  Manager manager;
  const Job job{manager.queue<Chunk>(), manager.dict<std::string, std::int64_t>(),
                manager.dict<std::string, std::int64_t>(), manager.list<std::string>(),
                manager.lock()};
  const std::vector<Chunk> chunks = cut(options.files, total, options.workers);
  job.progress.set("total", static_cast<std::int64_t>(total));
  job.chunks.put_many(chunks);
  job.chunks.close();
  std::cout << options.files.size() << " files, " << total << " bytes, " << chunks.size()
            << " chunks, " << options.workers << " workers\n";

  const auto board = manager.list<Job>({job});
  Process watcher({.name = "watcher"}, become_watcher, board.handle().str(),
                  std::to_string(options.top));
  watcher.start();
  std::vector<Process> workers;
  for (unsigned i = 0; i < options.workers; ++i) workers.emplace_back(work, job);
  for (Process& worker : workers) worker.start();
  for (Process& worker : workers) worker.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  job.progress.set("finished", 1);
  watcher.join();

  bool good = ended_well(watcher);
  for (const Process& worker : workers) good = ended_well(worker) && good;

  Counts alone;
  std::int64_t words = 0;
  for (const std::string& file : options.files) {
    for (const auto& [word, count] :
         count_words(read({file, 0, std::filesystem::file_size(file)}))) {
      alone[word] += count;
      words += count;
    }
  }
  std::cout << words << " words, " << alone.size() << " distinct, in " << seconds.count()
            << " s; merged with " << job.progress.get("calls", 0) << " calls\n";

  const auto seen = job.seen.copy();
  const bool same = alone == job.words.copy() &&
                    seen.size() == std::set<std::string>(seen.begin(), seen.end()).size();
  std::cout << (same ? "The same as a single process counts.\n"
                     : "NOT the same as a single process counts!\n");
  return same && good ? 0 : 1;
}

// ---- Command line ----

int refuse(const std::string& why) {
  std::cerr << "word_count: " << why << "; --help shows how it is used\n";
  return 2;
}

template <class Number>
bool parse(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

std::string objection(const Options& options) {
  if (!options.watch.empty()) return {};
  if (options.workers < 1 || options.workers > 256) return "--workers takes a number from 1 to 256";
  if (options.files.empty()) return "there are no files to count";
  for (const std::string& file : options.files) {
    std::error_code error;
    if (!std::filesystem::exists(file, error)) return "there is no file " + file;
    if (!std::filesystem::is_regular_file(file, error)) return file + " is not a file";
    if (!std::ifstream(file)) return "cannot read " + file + ": " + std::strerror(errno);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  for (auto argument = arguments.begin(); argument != arguments.end(); ++argument) {
    const bool wants_value =
        *argument == "--workers" || *argument == "--top" || *argument == "--watch";
    if (wants_value && argument + 1 == arguments.end()) return refuse(*argument + " needs a value");
    if (*argument == "--help") {
      std::cout << kUsage;
      return 0;
    } else if (*argument == "--workers") {
      if (!parse(*++argument, options.workers)) options.workers = 0;
    } else if (*argument == "--top") {
      if (!parse(*++argument, options.top)) return refuse("--top takes a number");
    } else if (*argument == "--watch") {
      options.watch = *++argument;
    } else if (argument->starts_with("-")) {
      return refuse("there is no option " + *argument);
    } else {
      options.files.push_back(*argument);
    }
  }
  const std::string why = objection(options);
  if (!why.empty()) return refuse(why);
  return options.watch.empty() ? count(options) : watch(options.watch, options.top);
}
