// Exceptions of tasks and of processes that do not come up arrive as what they were.
#include <any>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <new>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <variant>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/pool/pool.hpp>
#include <steward/process/status.hpp>

namespace steward {
namespace {

struct Odd : std::out_of_range {
  using std::out_of_range::out_of_range;
};
struct Silent : std::exception {
  const char* what() const noexcept override { return nullptr; }
};
struct SilentBadCall : BadCall {
  using BadCall::BadCall;
  const char* what() const noexcept override { return nullptr; }
};
struct OwnCategory : std::error_category {
  const char* name() const noexcept override { return "own"; }
  std::string message(int) const override { return "mine"; }
};

// In another process: throws what it is called with.
template <class F>
int throw_there(int) {
  F()();
  return 0;
}

class Exceptions : public testing::Test {
 protected:
  // What the task throws as the `As` that arrives here; fails if it is none.
  template <class As, class F>
  std::string caught(F, std::optional<std::error_code> code = {}) {
    try {
      pool_.apply(throw_there<F>, 0);
    } catch (const As& error) {
      const auto* remote = dynamic_cast<const RemoteError*>(&error);
      if constexpr (requires { error.code(); }) {
        EXPECT_EQ(error.code(), *code);
      }
      return (remote != nullptr ? remote->type_name() : "ours") + "|" + error.what();
    } catch (const std::exception& error) {
      return std::string("another type: ") + error.what();
    }
    return "nothing";
  }

  Pool pool_{1};
};

TEST_F(Exceptions, WithCodesKeepThem) {
  EXPECT_EQ(caught<std::system_error>(
                [] { throw std::system_error(ENOSPC, std::generic_category(), "writing"); },
                std::error_code(ENOSPC, std::generic_category())),
            "std::system_error|writing: No space left on device");
  EXPECT_EQ(caught<std::system_error>(
                [] { throw std::system_error(ENOSPC, std::system_category(), "writing"); },
                std::error_code(ENOSPC, std::system_category())),
            "std::system_error|writing: No space left on device");
  EXPECT_EQ(caught<std::filesystem::filesystem_error>(
                [] {
                  throw std::filesystem::filesystem_error(
                      "cannot copy", "/a", "/b", std::make_error_code(std::errc::io_error));
                },
                std::make_error_code(std::errc::io_error)),
            "std::filesystem::filesystem_error|filesystem error: cannot copy: Input/output error "
            "[/a] [/b]");
  EXPECT_EQ(caught<std::ios_base::failure>([] { throw std::ios_base::failure("io"); },
                                           std::make_error_code(std::io_errc::stream)),
            "std::ios_base::failure|io: iostream error");
  EXPECT_EQ(caught<std::future_error>(
                [] {
                  std::promise<int> twice;
                  twice.set_value(1);
                  twice.set_value(2);
                },
                std::make_error_code(std::future_errc::promise_already_satisfied)),
            "std::future_error|std::future_error: Promise already satisfied");
}

TEST_F(Exceptions, WithCodesOfTheProgramsOwnAreRuntimeErrors) {
  EXPECT_EQ(caught<std::runtime_error>([] {
              static const OwnCategory own;
              throw std::system_error(3, own, "what");
            }),
            "std::system_error|what: mine");
}

TEST_F(Exceptions, OfClassesDerivedFromStandardOnesAreCaughtAsThose) {
  EXPECT_EQ(caught<std::out_of_range>([] { throw Odd("odd"); }),
            "steward::(anonymous namespace)::Odd|odd");
  EXPECT_EQ(caught<std::logic_error>([] { throw Odd("odd"); }),
            "steward::(anonymous namespace)::Odd|odd");
}

TEST_F(Exceptions, WithoutATextHaveTheirOwnType) {
  EXPECT_EQ(caught<std::bad_alloc>([] { throw std::bad_alloc(); }),
            "std::bad_alloc|std::bad_alloc");
  EXPECT_EQ(caught<std::bad_function_call>([] { std::function<void()>()(); }),
            "std::bad_function_call|bad_function_call");
  EXPECT_EQ(caught<std::bad_any_cast>([] { std::any_cast<int>(std::any("x")); }),
            "std::bad_any_cast|bad any_cast");
  EXPECT_EQ(caught<std::bad_optional_access>([] { std::optional<int>().value(); }),
            "std::bad_optional_access|bad optional access");
  EXPECT_EQ(caught<std::bad_variant_access>([] { std::get<1>(std::variant<int, char>(1)); }),
            "std::bad_variant_access|std::get: wrong index for variant");
}

TEST_F(Exceptions, OfOddKindsHaveAClearText) {
  EXPECT_EQ(caught<std::runtime_error>([] { throw Silent(); }),
            "steward::(anonymous namespace)::Silent|");
  EXPECT_EQ(caught<std::runtime_error>([] { throw 42; }), "int|an exception of the type int");
  EXPECT_EQ(caught<std::runtime_error>([] { throw "a literal"; }), "char const*|a literal");
  EXPECT_EQ(caught<std::runtime_error>([] { throw std::string("text"); }), "std::string|text");
  EXPECT_EQ(caught<std::runtime_error>([] {
              try {
                throw std::logic_error("inner");
              } catch (...) {
                std::throw_with_nested(std::runtime_error("outer"));
              }
            }),
            "std::runtime_error|outer (from std::logic_error: inner)");
}

TEST_F(Exceptions, OfRegularExpressionsKeepTheirCode) {
  try {
    pool_.apply(+[](int) { return static_cast<int>(std::regex("(").mark_count()); }, 0);
    FAIL() << "it returned";
  } catch (const std::regex_error& error) {
    EXPECT_EQ(error.code(), std::regex_constants::error_paren);
    EXPECT_NE(dynamic_cast<const RemoteError*>(&error), nullptr);
  }
}

TEST_F(Exceptions, OfTheLibraryAreThemselves) {
  EXPECT_EQ(caught<BadCall>([] { throw SilentBadCall("never said"); }), "ours|");
  EXPECT_EQ(caught<Closed>([] { throw Closed("shut"); }), "ours|shut");
  EXPECT_EQ(caught<SystemError>([] { throw SystemError(EMFILE, "no"); },
                                std::error_code(EMFILE, std::generic_category())),
            "ours|no: Too many open files");
}

TEST(SystemErrors, AreBothWhatTheLibraryAndWhatTheStandardThrows) {
  const SystemError error(EPERM, "cannot");
  EXPECT_STREQ(static_cast<const Error&>(error).what(), "cannot: Operation not permitted");
  EXPECT_EQ(static_cast<const std::system_error&>(error).code().value(), EPERM);
}

TEST(PackedFailures, ThatAreDamagedAreABadCallOrSomethingCatchable) {
  detail::process::ExceptionRecord failure{
      detail::core::ErrorCode::remote, "text", "T", {"std::future_error", "generic", 7}};
  EXPECT_THROW(detail::process::throw_exception(detail::process::pack_exception(failure)),
               std::logic_error);
  failure.standard = {"std::no_such", "generic", 7};
  EXPECT_THROW(detail::process::throw_exception(detail::process::pack_exception(failure)),
               RemoteError);
  failure.standard = {"steward::SystemError", "own", 7};
  EXPECT_THROW(detail::process::throw_exception(detail::process::pack_exception(failure)),
               RemoteError);
  const std::string packed = detail::process::pack_exception(failure);
  for (std::size_t size = 0; size < packed.size(); ++size) {
    EXPECT_THROW(detail::process::throw_exception(packed.substr(0, size)), BadCall) << size;
  }
}

}  // namespace
}  // namespace steward
