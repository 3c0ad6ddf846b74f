# SPDX-License-Identifier: Apache-2.0
#
# The fork server is data of the library, so there is no shared one.
vcpkg_check_linkage(ONLY_STATIC_LIBRARY)

vcpkg_download_distfile(
  archive
  URLS "https://EXAMPLE/encapsulate-${VERSION}.tar.gz"
  FILENAME "encapsulate-${VERSION}.tar.gz"
  SHA512 0)
vcpkg_extract_source_archive(SOURCE_PATH ARCHIVE "${archive}")

vcpkg_check_features(
  OUT_FEATURE_OPTIONS features
  FEATURES gtest ENCAPSULATE_PLUGIN tool ENCAPSULATE_TOOL)
vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS ${features} -DFETCHCONTENT_FULLY_DISCONNECTED=ON)
vcpkg_cmake_install()

vcpkg_cmake_config_fixup(PACKAGE_NAME Encapsulate CONFIG_PATH lib/cmake/Encapsulate)
vcpkg_fixup_pkgconfig()
if("tool" IN_LIST FEATURES)
  vcpkg_copy_tools(TOOL_NAMES encapsulate AUTO_CLEAN)
endif()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include"
     "${CURRENT_PACKAGES_DIR}/debug/share")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage"
     DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
