#include <steward/tests/shm/stepped.hpp>

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <unordered_set>

extern "C" {
extern const char __executable_start;
extern const char etext;
}

namespace steward::detail::test {

void Words::add(const std::string& word) {
  const std::size_t at = size.load(std::memory_order_relaxed);
  if (at + word.size() + 1 > text.size()) std::abort();
  std::memcpy(text.data() + at, word.data(), word.size());
  text[at + word.size()] = ' ';
  size.store(at + word.size() + 1, std::memory_order_release);
}

std::vector<std::string> Words::list() const {
  std::istringstream in(std::string(text.data(), size.load(std::memory_order_acquire)));
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

void StepLog::clear() {
  steps = 0;
  stopped = false;
  where_traced = false;
  done = false;
  for (Words* words : {&added, &gone, &failed}) words->size = 0;
}

#if defined(__x86_64__)

namespace {

constexpr std::uint64_t kTrapFlag = 0x100;
constexpr unsigned char kBreakpoint = 0xcc;

// For the handler of the one process that steps.
struct Stepping {
  StepLog* log = nullptr;
  StepPlan plan;
  Watched watched;
  std::vector<std::byte> before;  // what is watched, as of the last step
  unsigned char* planted = nullptr;
  unsigned char replaced = 0;
};
Stepping stepping;

bool see_change() {
  bool changed = false;
  std::byte* before = stepping.before.data();
  for (const auto& part : stepping.watched) {
    if (std::memcmp(before, part.data(), part.size()) != 0) {
      std::memcpy(before, part.data(), part.size());
      changed = true;
    }
    before += part.size();
  }
  return changed;
}

// Whether to go on step by step.
bool arrived(std::uint64_t step) {
  if (step != stepping.plan.at) return true;
  switch (stepping.plan.then) {
    case StepPlan::Then::trace: return true;
    case StepPlan::Then::kill: ::kill(::getpid(), SIGKILL); break;
    case StepPlan::Then::stop:
      stepping.log->stopped.store(true, std::memory_order_release);
      ::kill(::getpid(), SIGSTOP);
      break;
  }
  return false;
}

void on_trap(int, siginfo_t*, void* context) {
  const int error = errno;
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  StepLog& log = *stepping.log;
  std::uint64_t step = 0;
  if (stepping.planted != nullptr) {
    *stepping.planted = stepping.replaced;
    stepping.planted = nullptr;
    registers[REG_RIP] -= 1;
    registers[REG_EFL] |= kTrapFlag;
    step = stepping.plan.from_step;
    log.steps.store(step, std::memory_order_relaxed);
  } else {
    step = log.steps.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  if (stepping.plan.then == StepPlan::Then::trace && step < StepLog::kStepsMax) {
    log.trace[step] =
        static_cast<std::uint64_t>(registers[REG_RIP]) << 1U | (see_change() ? 1U : 0U);
  }
  if (stepping.plan.then != StepPlan::Then::trace && step == stepping.plan.at) {
    log.where_traced = static_cast<std::uint64_t>(registers[REG_RIP]) == log.address(step);
  }
  if (!arrived(step)) registers[REG_EFL] &= ~static_cast<greg_t>(kTrapFlag);
  errno = error;
}

bool in_program(std::uint64_t address) {
  return address >= reinterpret_cast<std::uint64_t>(&__executable_start) &&
         address < reinterpret_cast<std::uint64_t>(&etext);
}

// False: this system lets nobody write into a program.
bool plant(std::uint64_t address) {
  constexpr std::uint64_t kPage = 4096;
  auto* page = reinterpret_cast<void*>(address / kPage * kPage);
  if (::mprotect(page, kPage, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return false;
  stepping.planted = reinterpret_cast<unsigned char*>(address);
  stepping.replaced = *stepping.planted;
  *stepping.planted = kBreakpoint;
  return true;
}

}  // namespace

__attribute__((noinline)) void step_through(StepLog& log, const StepPlan& plan,
                                            const Watched& watched,
                                            const std::function<void()>& operation) {
  stepping.log = &log;
  stepping.plan = plan;
  stepping.watched = watched;
  stepping.before.clear();
  for (const auto& part : watched) {
    stepping.before.insert(stepping.before.end(), part.begin(), part.end());
  }
  struct sigaction action {};
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGTRAP, &action, nullptr);
  const bool steps = plan.then == StepPlan::Then::trace || plan.at != 0;
  if (steps && (plan.from_address == 0 || !plant(plan.from_address))) {
    stepping.plan.from_step = 0;
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | kTrapFlag);
  }
  operation();
  __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~kTrapFlag);
  if (stepping.planted != nullptr) *stepping.planted = stepping.replaced;  // it went another way
  log.done.store(true, std::memory_order_release);
}

std::vector<StepPlan> plans(const StepLog& traced, StepPlan::Then then) {
  std::vector<StepPlan> out{{then, 0, 0, 0}};
  std::unordered_set<std::uint64_t> seen;
  for (std::uint64_t step = 1; step <= traced.steps && step < StepLog::kStepsMax; ++step) {
    StepPlan plan = out.back();
    plan.at = step;
    const std::uint64_t address = traced.address(step);
    if (seen.insert(address).second && in_program(address)) {
      plan.from_address = address;
      plan.from_step = step;
    }
    out.push_back(plan);
  }
  return out;
}

#else

void step_through(StepLog&, const StepPlan&, const Watched&, const std::function<void()>&) {
  std::abort();
}
std::vector<StepPlan> plans(const StepLog&, StepPlan::Then) { std::abort(); }

#endif

}  // namespace steward::detail::test
