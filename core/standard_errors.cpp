#include <steward/core/standard_errors.hpp>

#include <any>
#include <array>
#include <concepts>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <new>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <typeinfo>
#include <variant>

#include <steward/core/errors.hpp>

namespace steward::detail::core {
namespace {

template <class Exception>
bool is([[maybe_unused]] const std::exception& error) {
  if constexpr (std::same_as<Exception, std::exception>) {
    return true;
  } else {
    return dynamic_cast<const Exception*>(&error) != nullptr;
  }
}

using Raise = void (*)(const std::string& text, const std::string& type_name, const Standard&);

template <class Std>
[[noreturn]] void raise(const std::string& text, const std::string& type_name, const Standard&) {
  throw RemoteThrown<Std>(text, type_name);
}

// nullptr: a category of the program's own, say.
const std::error_category* category_of(std::string_view name) {
  for (const std::error_category* known : {&std::generic_category(), &std::system_category(),
                                           &std::iostream_category(), &std::future_category()}) {
    if (name == known->name()) return known;
  }
  return nullptr;
}

template <class Std>
Std with_code(const std::error_code& code) {
  if constexpr (std::same_as<Std, std::system_error>) {
    return Std(code);
  } else {
    return Std("", code);
  }
}

template <class Std>
[[noreturn]] void raise_coded(const std::string& text, const std::string& type_name,
                              const Standard& standard) {
  const std::error_category* category = category_of(standard.category);
  if (category == nullptr) throw RemoteThrown<std::runtime_error>(text, type_name);
  const std::error_code code(standard.value, *category);
  throw RemoteThrown<Std>(with_code<Std>(code), text, type_name);
}

[[noreturn]] void raise_future_error(const std::string& text, const std::string& type_name,
                                     const Standard& standard) {
  if (category_of(standard.category) != &std::future_category()) {
    throw RemoteThrown<std::logic_error>(text, type_name);
  }
  const auto code = static_cast<std::future_errc>(standard.value);
  throw RemoteThrown<std::future_error>(std::future_error(code), text, type_name);
}

constexpr std::string_view kRegexCategory = "regex";  // its codes have none in the standard

[[noreturn]] void raise_regex_error(const std::string& text, const std::string& type_name,
                                    const Standard& standard) {
  if (standard.category != kRegexCategory) throw RemoteThrown<std::runtime_error>(text, type_name);
  const auto code = static_cast<std::regex_constants::error_type>(standard.value);
  throw RemoteThrown<std::regex_error>(std::regex_error(code), text, type_name);
}

// Its text ends with the code's, which it adds itself.
[[noreturn]] void raise_system_error(const std::string& text, const std::string& type_name,
                                     const Standard& standard) {
  if (standard.category != std::generic_category().name()) {
    raise_coded<std::system_error>(text, type_name, standard);
  }
  const std::string ending = ": " + std::generic_category().message(standard.value);
  const bool ends = text.ends_with(ending);
  throw SystemError(standard.value, ends ? text.substr(0, text.size() - ending.size()) : text);
}

struct Type {
  std::string_view name;
  bool (*matches)(const std::exception&);
  Raise raise;
};

// What is derived from another one stands before that.
constexpr std::array kTypes{
    Type{"steward::SystemError", is<SystemError>, raise_system_error},
    Type{"std::filesystem::filesystem_error", is<std::filesystem::filesystem_error>,
         raise_coded<std::filesystem::filesystem_error>},
    Type{"std::ios_base::failure", is<std::ios_base::failure>, raise_coded<std::ios_base::failure>},
    Type{"std::system_error", is<std::system_error>, raise_coded<std::system_error>},
    Type{"std::future_error", is<std::future_error>, raise_future_error},
    Type{"std::invalid_argument", is<std::invalid_argument>, raise<std::invalid_argument>},
    Type{"std::domain_error", is<std::domain_error>, raise<std::domain_error>},
    Type{"std::length_error", is<std::length_error>, raise<std::length_error>},
    Type{"std::out_of_range", is<std::out_of_range>, raise<std::out_of_range>},
    Type{"std::logic_error", is<std::logic_error>, raise<std::logic_error>},
    Type{"std::range_error", is<std::range_error>, raise<std::range_error>},
    Type{"std::overflow_error", is<std::overflow_error>, raise<std::overflow_error>},
    Type{"std::underflow_error", is<std::underflow_error>, raise<std::underflow_error>},
    Type{"std::regex_error", is<std::regex_error>, raise_regex_error},
    Type{"std::runtime_error", is<std::runtime_error>, raise<std::runtime_error>},
    Type{"std::bad_array_new_length", is<std::bad_array_new_length>,
         raise<std::bad_array_new_length>},
    Type{"std::bad_alloc", is<std::bad_alloc>, raise<std::bad_alloc>},
    Type{"std::bad_any_cast", is<std::bad_any_cast>, raise<std::bad_any_cast>},
    Type{"std::bad_cast", is<std::bad_cast>, raise<std::bad_cast>},
    Type{"std::bad_typeid", is<std::bad_typeid>, raise<std::bad_typeid>},
    Type{"std::bad_exception", is<std::bad_exception>, raise<std::bad_exception>},
    Type{"std::bad_optional_access", is<std::bad_optional_access>,
         raise<std::bad_optional_access>},
    Type{"std::bad_variant_access", is<std::bad_variant_access>, raise<std::bad_variant_access>},
    Type{"std::bad_function_call", is<std::bad_function_call>, raise<std::bad_function_call>},
    Type{"std::bad_weak_ptr", is<std::bad_weak_ptr>, raise<std::bad_weak_ptr>},
    Type{"std::exception", is<std::exception>, raise<std::runtime_error>},
};

std::optional<std::error_code> code_of(const std::exception& error) {
  if (const auto* coded = dynamic_cast<const std::system_error*>(&error)) return coded->code();
  if (const auto* coded = dynamic_cast<const std::future_error*>(&error)) return coded->code();
  return std::nullopt;
}

}  // namespace

Standard standard_of(const std::exception& error) {
  Standard standard;
  for (const Type& type : kTypes) {
    if (!type.matches(error)) continue;
    standard.name = type.name;
    break;
  }
  if (const auto* regex = dynamic_cast<const std::regex_error*>(&error)) {
    standard.category = kRegexCategory;
    standard.value = static_cast<int>(regex->code());
  } else if (const auto code = code_of(error)) {
    standard.category = code->category().name();
    standard.value = code->value();
  }
  return standard;
}

void throw_remote(const std::string& text, const std::string& type_name,
                  const Standard& standard) {
  for (const Type& type : kTypes) {
    if (type.name == standard.name) type.raise(text, type_name, standard);
  }
  throw RemoteThrown<std::runtime_error>(text, type_name);
}

}  // namespace steward::detail::core
