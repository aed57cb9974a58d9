// A message through one queue and its answer through another: while both sides are awake, and while
// each sleeps until it is woken.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <steward/bench/groups.hpp>
#include <steward/bench/machine.hpp>
#include <steward/bench/queue_streams.hpp>

namespace steward::bench {
namespace {

using namespace std::chrono_literals;
using Mark = Comparison::Mark;
using Clock = std::chrono::steady_clock;

constexpr double kTimesLine = 3;
constexpr double kTimesFutex = 1.2;
constexpr std::size_t kMarked = 8;    // bytes; a cache line holds it, as that of the yardstick
constexpr std::size_t kCompared = 64;
using TripSizes = std::index_sequence<kMarked, kCompared>;

// ---- What the two sides do ----

// Both at once, as fast as they can.
template <class E>
void answer_trips(Answers& answers, const std::string& what, std::shared_ptr<E> there,
                  std::shared_ptr<E> back, bool near) {
  if (near) {
    answers.on(what, [=, number = std::uint64_t{0}](std::size_t count) mutable {
      return timed(count, [&] {
        there->put(++number);
        if (back->get() != number) throw std::runtime_error("another message came back");
      });
    });
  } else {
    answers.on(what, [=](std::size_t count) {
      return timed(count, [&] { back->put(there->get()); });
    });
  }
}

// Longer than anybody looks for a message before it sleeps. The processor is kept busy, as that of
// a program that works out its answer.
void rest() {
  const auto end = Clock::now() + 200us;
  while (Clock::now() < end) {
  }
}

std::uint64_t now() { return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()); }

// How long a message took that was put at the time that is its number. 32 bits are enough, and all
// that a futex has room for.
template <class E>
double seconds_of_way(E& end) {
  const auto sent = static_cast<std::uint32_t>(end.get());
  return 1e-9 * (static_cast<std::uint32_t>(now()) - sent);
}

double median_of(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

// Each rests before it puts, so that the other sleeps. Only the ways count: here those back, at the
// far side those there. Their median, for where anything else runs, a few wait for that.
template <class E>
void answer_rested_trips(Answers& answers, const std::string& what, std::shared_ptr<E> there,
                         std::shared_ptr<E> back, bool near) {
  answers.on(what, [=](std::size_t count) {
    std::vector<double> ways;
    for (std::size_t i = 0; i < count; ++i) {
      if (!near) ways.push_back(seconds_of_way(*there));
      rest();
      (near ? *there : *back).put(now());
      if (near) ways.push_back(seconds_of_way(*back));
    }
    const auto trips = static_cast<double>(count);
    return Run{trips, trips * median_of(std::move(ways))};
  });
}

// The least that it takes to tell one who sleeps: the time is the word itself.
class FutexEnd {
 public:
  FutexEnd(std::shared_ptr<SharedPage> page, std::atomic<std::uint32_t>& word)
      : page_(std::move(page)), word_(word) {}

  void put(std::uint64_t number) {
    word_.store(static_cast<std::uint32_t>(number));
    ::syscall(SYS_futex, &word_, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
  std::uint64_t get() {
    std::uint32_t seen = last_;
    while ((seen = word_.load()) == last_) {
      ::syscall(SYS_futex, &word_, FUTEX_WAIT, seen, nullptr, nullptr, 0);
    }
    last_ = seen;
    return seen;
  }

 private:
  std::shared_ptr<SharedPage> page_;
  std::atomic<std::uint32_t>& word_;
  std::uint32_t last_ = 0;
};

void use_futex(std::string socket, std::string page_name, bool near) {
  stay_on_cpu(near ? 0 : 1);
  const auto page = std::make_shared<SharedPage>(page_name);
  const auto there = std::make_shared<FutexEnd>(page, page->words().near);
  const auto back = std::make_shared<FutexEnd>(page, page->words().far);
  Answers answers(socket);
  answer_rested_trips(answers, "rested", there, back, near);
  answers.serve();
}

void use_steward(std::string socket, std::string address, bool near) {
  stay_on_cpu(near ? 0 : 1);
  const Manager manager = Manager::connect(address);
  Answers answers(socket);
  for_each_size(TripSizes(), [&](auto size) {
    const std::string name = std::to_string(size);
    const auto pair = [&]<class E>(std::type_identity<E>, auto answer, const std::string& what) {
      answer(answers, what + name, std::make_shared<E>(manager, "there_" + name),
             std::make_shared<E>(manager, "back_" + name), near);
    };
    using Blocking = QueueEnd<size>;
    using Polling = PollingEnd<size>;
    pair(std::type_identity<Blocking>(), answer_trips<Blocking>, "blocking_");
    pair(std::type_identity<Polling>(), answer_trips<Polling>, "polling_");
    pair(std::type_identity<Blocking>(), answer_rested_trips<Blocking>, "rested_");
  });
  answers.serve(bench_queue<kMarked>(manager, "there_" + std::to_string(kMarked)).transport());
}

template <class Channel>
void use_channel(std::string socket, std::string where, bool near) {
  stay_on_cpu(near ? 0 : 1);
  using End = ChannelEnd<Channel, kCompared>;
  // Who gets from one must be there before the other puts, and each is first in one of them.
  std::shared_ptr<End> there;
  std::shared_ptr<End> back;
  Answers answers(socket);
  answers.on("open_gets", [&](std::size_t) {
    (near ? back : there) = std::make_shared<End>(where, near ? "back" : "there", Side::get);
    return Run{1, 0};
  });
  answers.on("open_puts", [&](std::size_t) {
    (near ? there : back) = std::make_shared<End>(where, near ? "there" : "back", Side::put);
    answer_rested_trips(answers, "rested", there, back, near);
    return Run{1, 0};
  });
  answers.serve();
}

// ---- In the program ----

// The two sides of one kind. A resource.
class Pair {
 public:
  template <class F>
  Pair(const Scratch& scratch, const std::string& name, F main, const std::string& where)
      : near(scratch, name + "-near", main, where, true),
        far(scratch, name + "-far", main, where, false) {}

  Run trips(const std::string& what, std::size_t count) {
    far.begin(what, count);
    const Run run = near.run(what, count);
    far.finish();
    return run;
  }
  // Fewer than are asked for: by far the most time goes by while they rest.
  Run rested_trips(const std::string& what, std::size_t count) {
    constexpr std::size_t kPart = 16;
    const std::size_t trips = std::max<std::size_t>(1, count / kPart);
    far.begin(what, trips);
    Run run = near.run(what, trips);
    run.seconds += far.finish().seconds;
    return run;
  }

  Peer near;
  Peer far;
};

class Trips {
 public:
  explicit Trips(Bench& bench)
      : bench_(bench),
        page_("/steward-bench-" + std::to_string(::getpid()) + "-trip", SharedPage::Name::remove),
        futex_(bench.scratch, "futex", use_futex, page_.name()),
        steward_(bench.scratch, "steward", use_steward, manager_.address()) {
    page_.remove_name();
  }

  void spinning() {
    Row& line = row("queue round trip, spinning", "cache line", "machine", "spinning");
    tasks_.push_back({line, [this](std::size_t count) { return bench_.calibration.line(count); }});
    for_each_size(TripSizes(), [&](auto size) {
      const std::string name = std::to_string(size);
      const std::string what = name + " B";
      const auto add = [&](const std::string& how, const std::string& operation) {
        Row& ours = row("queue round trip, spinning", what + how, "steward", transport());
        tasks_.push_back(
            {ours, [this, name = operation + name](std::size_t count) {
               return steward_.trips(name, count);
             }});
        pairs_.push_back({what + how + ", round trip, spinning, times a cache line's", &ours, &line,
                          size == kMarked ? kTimesLine : 0});
      };
      add("", "blocking_");
      add(", try_get", "polling_");
    });
    finish();
  }

  void sleeping() {
    Row& futex = rested("futex", "machine", "futex", futex_, "rested");
    for_each_size(TripSizes(), [&](auto size) {
      const std::string name = std::to_string(size);
      Row& ours = rested(name + " B", "steward", transport(), steward_, "rested_" + name);
      pairs_.push_back({name + " B, round trip, sleeping, times a futex's", &ours, &futex,
                        size == kMarked ? kTimesFutex : 0});
    });
    add_channel<BoostQueue>(futex);
    add_channel<PacketSocket>(futex);
    add_channel<PushPull>(futex);
    if (PosixQueue::capacity({place_of<PosixQueue>(bench_.scratch), "asked", kCompared}) > 0) {
      add_channel<PosixQueue>(futex);
    }
    finish();
  }

 private:
  struct Pairing {
    std::string what;
    const Row* ours;
    const Row* theirs;
    double at_most;  // 0: no mark
  };

  const std::string& transport() const { return steward_.near.text(); }

  Row& row(const char* group, const std::string& what, const std::string& peer,
           const std::string& over) {
    return bench_.report.row({group, what, peer, over, Unit::micros});
  }

  Row& rested(const std::string& what, const std::string& peer, const std::string& over,
              Pair& pair, const std::string& operation) {
    Row& added = row("queue round trip, sleeping", what, peer, over);
    tasks_.push_back({added, [&pair, operation](std::size_t count) {
                        return pair.rested_trips(operation, count);
                      }});
    return added;
  }

  template <class Channel>
  void add_channel(const Row& futex) {
    const std::string where = place_of<Channel>(bench_.scratch);
    const Names<Channel> guard(where, {"there", "back"});
    Pair& pair = *channels_.emplace_back(std::make_unique<Pair>(bench_.scratch, Channel::kPeer,
                                                                use_channel<Channel>, where));
    for (const char* step : {"open_gets", "open_puts"}) {
      for (Peer* peer : {&pair.near, &pair.far}) peer->run(step, 1);
    }
    const std::string what = std::to_string(kCompared) + " B";
    const Row& theirs = rested(what, Channel::kPeer, Channel::kOver, pair, "rested");
    pairs_.push_back({what + ", round trip, sleeping, " + Channel::kPeer + " times a futex's",
                      &theirs, &futex, 0});
  }

  void finish() {
    measure(bench_, std::exchange(tasks_, {}));
    for (const Pairing& pair : std::exchange(pairs_, {})) {
      bench_.report.compare({pair.what, cost_ratio(*pair.ours, *pair.theirs),
                             pair.at_most > 0 ? Mark::at_most : Mark::none, pair.at_most});
    }
  }

  Bench& bench_;
  Manager manager_;
  SharedPage page_;
  Pair futex_;
  Pair steward_;
  std::vector<std::unique_ptr<Pair>> channels_;
  std::vector<Task> tasks_;
  std::vector<Pairing> pairs_;
};

}  // namespace

void measure_queue_trip(Bench& bench) {
  Trips trips(bench);
  trips.spinning();
  trips.sleeping();
}

}  // namespace steward::bench
