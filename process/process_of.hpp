// ProcessOf: a subclass of Process whose members travel.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include <steward/core/codec.hpp>
#include <steward/process/process.hpp>

namespace steward {

namespace detail::process {

// Processes that are made while it lives take no number.
class NumbersKept {
 public:
  NumbersKept();
  NumbersKept(const NumbersKept&) = delete;
  NumbersKept& operator=(const NumbersKept&) = delete;
  ~NumbersKept();

 private:
  int made_;
};

// Throws BadCall unless the object is of this very class.
void check_class(const std::type_info& object, const std::type_info& wanted,
                 std::string_view process);

// Throws the BadCall again, with what it is about.
[[noreturn]] void refuse_members(std::string_view process, const char* why);

}  // namespace detail::process

// The base of a class that overrides run() and can be started by every method:
//
//   class Worker : public ProcessOf<Worker> {
//    public:
//     Worker() = default;
//     Worker(List<int> numbers, int by) : numbers_(numbers), by_(by) {}
//     void run() override { numbers_.append(by_); }
//     MSGPACK_DEFINE(numbers_, by_)
//    private:
//     List<int> numbers_;
//     int by_ = 0;
//   };
//
// start() packs what MSGPACK_DEFINE names; in the process a Worker is made by the default
// constructor, given these members, and run. So a member that is not named has its initial value
// there, and what run() changes stays there. A subclass without members needs neither the macro nor
// the constructor. Ends of pipes among the members leave this object with start(), as arguments do.
// A class derived from Worker cannot be started: nobody would pack what it adds.
//
// Thread safety and ownership: as Process.
template <class Self>
class ProcessOf : public Process {
 protected:
  explicit ProcessOf(ProcessOptions options = {}) : Process(std::move(options)) {}

 private:
  // ProcessOf<Self> itself has no members: what is larger has some.
  static constexpr bool packs() { return detail::core::PacksItself<Self>; }
  static constexpr bool can_travel() {
    return std::default_initializable<Self> &&
           (packs() || sizeof(Self) == sizeof(ProcessOf<Self>));
  }

  static void run_packed(detail::process::ChildContext& context, std::string_view bytes) {
    Self self = unpacked(context, bytes);
    ProcessOf& process = self;
    process.become_current();
    context.confirm();
    process.run();
  }

  static Self unpacked(detail::process::ChildContext& context, std::string_view bytes) {
    const detail::process::NumbersKept numbers;
    if constexpr (packs()) {
      const detail::process::PassedFilesScope files(context.passed_files());
      try {
        return detail::core::unpack<Self>(bytes);
      } catch (const BadCall& error) {
        detail::process::refuse_members(context.name(), error.what());
      }
    } else {
      return Self();
    }
  }

  class PackedSelf final : public detail::process::Work {
   public:
    explicit PackedSelf(const Self& self) : self_(&self) {}

    bool travels() const override { return true; }
    detail::process::Entry entry() const override { return run_packed; }
    std::string pack() const override {
      if constexpr (packs()) {
        return detail::core::packed(*self_);
      } else {
        return {};
      }
    }
    std::string pack_for_copy() const override { return pack(); }
    void run_copy(detail::process::ChildContext& context, std::string_view bytes) override {
      run_packed(context, bytes);
    }
    bool stays() const override { return false; }
    void run_here() override {}  // nobody asks: run() is overridden

   private:
    const Self* self_;
  };

  std::unique_ptr<detail::process::Work> work_of_self() final {
    static_assert(can_travel(),
                  "the members of a ProcessOf travel: give the class MSGPACK_DEFINE(members...) "
                  "and a default constructor");
    detail::process::check_class(typeid(*this), typeid(Self), name());
    return std::make_unique<PackedSelf>(static_cast<const Self&>(*this));
  }
};

}  // namespace steward
