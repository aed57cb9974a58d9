// A storm: several processes throw hostile frames at one server while a good client calls it, and
// how the good client fares.
//
//   hostile [FRAMES] [--attackers N] [--nice N] [--corpus DIRECTORY]
//
// FRAMES are thrown in all (1,000,000), by N processes (4) at a niceness (0). Most attackers have a
// session, and make wild calls of every method; one frame in fifty comes from the fuzz corpus and a
// list of malformed ones, changed at random, and ends the session as a rule: then they open
// another. One attacker in four never says hello, and throws only such frames. STEWARD_SEED repeats
// what is thrown.
//
// Prints the good client's times alone and under the storm, the server's largest memory, and what
// the attackers were told. Exits with 1 if the server died or took more than 256 MiB (1 GiB more
// under a sanitizer, whose own memory counts too). The mark for the times is a p99 within twice
// that alone; it is printed and not judged, since with fewer processors than processes it measures
// the scheduler. --nice 20 gives the attackers only the time that nobody else wants (SCHED_IDLE):
// the server and the good client then have the processors to themselves, as when attackers are on
// hosts of their own.
//
// A frame may be a right call by chance, and right calls are served: so the frames never name
// `shutdown`, and the good client only makes calls that nobody can spoil.
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <steward/steward.hpp>
#include <steward/tests/hostile/frames.hpp>
#include <steward/tests/server/loop/bare_client.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using Score = steward::Dict<std::string, std::int64_t>;

constexpr std::size_t kMemoryMark = 256U << 20U;
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STEWARD_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(STEWARD_ADDRESS_SANITIZER)
constexpr std::size_t kSanitizers = 1U << 30U;
#else
constexpr std::size_t kSanitizers = 0;
#endif
// Of frames that are large, few are drawn: the storm is to be of frames, not of bytes.
constexpr std::size_t kLargeBytes = 4096;
constexpr std::size_t kLargeOneIn = 200;
constexpr std::size_t kStrayOneIn = 50;
constexpr int kCallsAlone = 20'000;
constexpr int kNicest = 19;

// Between two looks for an answer.
void wait_a_little() { std::this_thread::sleep_for(std::chrono::microseconds(100)); }

struct Orders {
  std::string address;
  std::string corpus;
  std::int64_t frames = 0;
  std::uint64_t seed = 0;
  int number = 0;
  int nice = 0;
  MSGPACK_DEFINE(address, corpus, frames, seed, number, nice)
};

std::vector<std::string> frames_of(const std::string& corpus) {
  std::vector<std::string> frames;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    std::ifstream in(entry.path(), std::ios::binary);
    frames.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  std::ranges::sort(frames);
  std::erase_if(frames, [](const std::string& frame) { return frame.find("shut") != frame.npos; });
  if (frames.empty()) throw std::runtime_error("there are no frames in " + corpus);
  return frames;
}

// One process of strangers.
class Attacker {
 public:
  explicit Attacker(const Orders& orders)
      : orders_(orders), large_(steward::detail::test::malformed_frames()), small_(draw_from()),
        storm_(orders.seed + static_cast<std::uint64_t>(orders.number), small_) {
    std::erase_if(large_, [](const auto& frame) { return frame.size() < kLargeBytes; });
  }

  void run() {
    for (std::int64_t i = 0; i < orders_.frames; ++i) {
      if (!client_) connect();
      const std::string frame = next();
      client_->send(frame);
      // What follows a malformed frame would be ignored, and be no storm.
      const bool ends = has_session() && !steward::detail::test::is_well_formed(frame);
      if (ends) ++malformed_;
      while (client_) {
        const auto heard = ends ? client_->receive() : client_->wire().receive();
        if (!heard) break;
        listen(*heard);
      }
    }
  }

  void tell(const Score& score) const {
    for (const auto& [what, count] :
         {std::pair{"sessions opened", opened_}, {"sessions ended by the server", ended_},
          {"malformed frames in sessions", malformed_},
          {"frames refused", refused_}, {"challenges", challenges_},
          {"frames with replies", replies_}}) {
      score.add(what, count);
    }
  }

 private:
  bool has_session() const { return orders_.number % 4 != 3; }

  std::vector<std::string> draw_from() const {
    std::vector<std::string> frames = frames_of(orders_.corpus);
    for (const std::string& frame : steward::detail::test::malformed_frames()) {
      if (frame.size() < kLargeBytes) frames.push_back(frame);
    }
    return frames;
  }

  std::string next() {
    if (has_session() && storm_.below(kStrayOneIn) != 0) {
      return storm_.call(client_->next_seq++, objects_, client_->entrance.incarnation);
    }
    if (storm_.below(kLargeOneIn) == 0) return large_[storm_.below(large_.size())];
    return storm_.changed();
  }

  void connect() {
    using steward::detail::test::BareClient;
    if (!has_session()) {
      client_.emplace(std::make_unique<steward::detail::test::ZmqWire>(orders_.address),
                      wait_a_little);
      return;
    }
    client_.emplace(BareClient::come_in(orders_.address, wait_a_little));
    client_->hello();
    ++opened_;
    objects_.clear();
    for (const std::string_view type : {"list", "dict", "queue", "lock", "rlock"}) {
      objects_.push_back(client_->create(type));
    }
  }

  void listen(std::string_view frame) {
    using steward::detail::core::Envelope;
    switch (steward::detail::core::open_envelope(frame).kind) {
      case Envelope::unknown_session:
        if (has_session()) {
          ++ended_;
        } else {
          ++refused_;
        }
        client_.reset();
        return;
      case Envelope::unknown_connection: ++challenges_; return;
      case Envelope::replies: ++replies_; return;
      case Envelope::bye: client_.reset(); return;  // it was a goodbye by chance
      default: return;
    }
  }

  const Orders orders_;
  std::vector<std::string> large_;
  std::vector<std::string> small_;
  steward::detail::test::FrameStorm storm_;
  std::optional<steward::detail::test::BareClient> client_;
  std::vector<steward::detail::core::ObjectId> objects_;  // of the session
  std::int64_t opened_ = 0;
  std::int64_t malformed_ = 0;
  std::int64_t ended_ = 0;
  std::int64_t refused_ = 0;
  std::int64_t challenges_ = 0;
  std::int64_t replies_ = 0;
};

void attack(const Score& score, const Orders& orders) {
  if (orders.nice > kNicest) {
    const sched_param none{};
    sched_setscheduler(0, SCHED_IDLE, &none);
  } else {
    setpriority(PRIO_PROCESS, 0, orders.nice);
  }
  Attacker attacker(orders);
  attacker.run();
  attacker.tell(score);
  score.add("frames sent", orders.frames);
}

// The good client: makes calls until `done`, and notes how long each took.
template <class Done>
std::vector<double> micros_of_calls(const Score& own, Done&& done) {
  std::vector<double> micros;
  while (!done(micros.size())) {
    const auto start = Clock::now();
    if (micros.size() % 2 == 0) {
      own.set("mine", 1);
    } else {
      static_cast<void>(own.contains("mine"));
    }
    micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  std::ranges::sort(micros);
  return micros;
}

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

void print(const char* when, const std::vector<double>& micros) {
  std::printf("%-16s %9zu calls   p50 %9.1f us   p99 %9.1f us   max %9.1f us\n", when,
              micros.size(), quantile(micros, 0.5), quantile(micros, 0.99), micros.back());
}

// The most memory that a process has had.
std::size_t peak_of(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

struct Options {
  std::int64_t frames = 1'000'000;
  int attackers = 4;
  int nice = 0;
  std::string corpus = STEWARD_CORPUS;
};

// nullopt: the arguments make no sense.
std::optional<Options> options_of(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (!word.starts_with("--")) {
      options.frames = std::atoll(argv[i]);
      continue;
    }
    if (value == nullptr) return std::nullopt;
    ++i;
    if (word == "--attackers") {
      options.attackers = std::atoi(value);
    } else if (word == "--nice") {
      options.nice = std::atoi(value);
    } else if (word == "--corpus") {
      options.corpus = value;
    } else {
      return std::nullopt;
    }
  }
  if (options.frames < 1 || options.attackers < 1) return std::nullopt;
  return options;
}

std::uint64_t seed_of_run() {
  const char* given = std::getenv("STEWARD_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("STEWARD_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

int storm(const Options& options) {
  steward::Manager manager;
  steward::Manager scorers;  // another server, which nobody attacks
  const Score score = scorers.dict<std::string, std::int64_t>();
  const Score own = manager.dict<std::string, std::int64_t>();
  const std::uint64_t seed = seed_of_run();

  const auto alone = micros_of_calls(own, [](std::size_t calls) { return calls == kCallsAlone; });
  print("alone", alone);

  std::vector<steward::Process> attackers;
  const auto start = Clock::now();
  for (int i = 0; i < options.attackers; ++i) {
    const std::int64_t share = options.frames / options.attackers +
                               (i < options.frames % options.attackers ? 1 : 0);
    attackers.emplace_back(attack, score,
                           Orders{manager.address(), options.corpus, share, seed, i, options.nice});
    attackers.back().start();
  }
  std::vector<double> under;
  std::string death;
  try {
    under = micros_of_calls(own, [&](std::size_t calls) {
      return calls % 16 == 0 && calls > 0 && std::ranges::none_of(attackers, [](const auto& each) {
        return each.is_alive();
      });
    });
    print("under the storm", under);
  } catch (const steward::Error& error) {
    death = error.what();
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  bool all_threw = true;
  for (steward::Process& attacker : attackers) {
    if (!death.empty()) attacker.kill();
    attacker.join();
    all_threw = all_threw && attacker.exitcode() == 0;
  }
  const std::size_t peak = peak_of(manager.pid());
  for (const auto& [what, count] : score.items()) {
    std::printf("%-30s %10lld\n", what.c_str(), static_cast<long long>(count));
  }
  std::printf("the storm took %.1f s; the server's largest memory: %.1f MiB (mark: %zu%s)\n",
              seconds, static_cast<double>(peak) / (1U << 20U), kMemoryMark >> 20U,
              kSanitizers > 0 ? ", and 1024 for the sanitizers" : "");
  if (!under.empty()) {
    std::printf("p99 under the storm / alone: %.2f (mark: 2)\n",
                quantile(under, 0.99) / quantile(alone, 0.99));
  }
  if (!death.empty()) std::printf("FAILED: the good client was not served: %s\n", death.c_str());
  if (!all_threw) std::printf("FAILED: an attacker could not throw all its frames\n");
  const bool small = peak > 0 && peak <= kMemoryMark + kSanitizers;
  if (!small) std::printf("FAILED: the server's memory\n");
  return death.empty() && all_threw && small ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = options_of(argc, argv);
  if (!options) {
    std::fprintf(stderr,
                 "usage: hostile [FRAMES] [--attackers N] [--nice N] [--corpus DIRECTORY]\n");
    return 2;
  }
  return storm(*options);
}
