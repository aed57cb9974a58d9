// Fiber: code on a stack of its own, which runs when and as long as it is switched to.
//
// All fibers of a simulation belong to one thread: nothing here races. The sanitizers are told of
// each switch.
#pragma once

#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <new>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STEWARD_FIBER_ASAN
#endif
#if __has_feature(thread_sanitizer)
#define STEWARD_FIBER_TSAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define STEWARD_FIBER_ASAN
#endif

#ifdef STEWARD_FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef STEWARD_FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace steward::detail::test {

class Fiber {
 public:
  // The thread's own stack, from which the others are first switched to.
  Fiber() {
#ifdef STEWARD_FIBER_TSAN
    tsan_ = __tsan_get_current_fiber();
#endif
  }
  // `body` must never return: it switches away for the last time, and is then only destroyed.
  explicit Fiber(std::function<void()> body) : body_(std::move(body)) {
    stack_ = ::mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack_ == MAP_FAILED) throw std::bad_alloc();
    ::getcontext(&context_);
    context_.uc_stack.ss_sp = stack_;
    context_.uc_stack.ss_size = kStack;
    context_.uc_link = nullptr;
    ::makecontext(&context_, &Fiber::enter, 0);
#ifdef STEWARD_FIBER_TSAN
    tsan_ = __tsan_create_fiber(0);
#endif
  }
  ~Fiber() {
    if (stack_ == nullptr) return;
    ::munmap(stack_, kStack);
#ifdef STEWARD_FIBER_TSAN
    __tsan_destroy_fiber(tsan_);
#endif
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // From the fiber that runs to this one; returns when somebody switches back.
  void run_from(Fiber& other) {
    from = &other;
    to = this;
#ifdef STEWARD_FIBER_ASAN
    __sanitizer_start_switch_fiber(&other.fake_stack_, bottom_ ? bottom_ : stack_,
                                   bottom_ ? size_ : kStack);
#endif
#ifdef STEWARD_FIBER_TSAN
    __tsan_switch_to_fiber(tsan_, 0);
#endif
    ::swapcontext(&other.context_, &context_);
    other.arrived();
  }

 private:
  static constexpr std::size_t kStack = 256U << 10U;

  static void enter() {
    Fiber& self = *to;
    self.arrived();
    self.body_();
    std::abort();
  }
  void arrived() {
#ifdef STEWARD_FIBER_ASAN
    // Where the thread's own stack lies is learnt when it is first left.
    __sanitizer_finish_switch_fiber(fake_stack_, &from->bottom_, &from->size_);
#endif
  }

  static inline Fiber* from = nullptr;
  static inline Fiber* to = nullptr;

  std::function<void()> body_;
  void* stack_ = nullptr;
  ucontext_t context_{};
#ifdef STEWARD_FIBER_ASAN
  const void* bottom_ = nullptr;
  std::size_t size_ = 0;
  void* fake_stack_ = nullptr;
#endif
#ifdef STEWARD_FIBER_TSAN
  void* tsan_ = nullptr;
#endif
};

}  // namespace steward::detail::test
