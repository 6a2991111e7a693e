plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

// Version 1.4 is the first whose libraries are aligned to pages of 16 KB.
val tflite = "com.google.ai.edge.litert:litert:1.4.0"

// The library that the kit links: the app gets it from the same AAR, by `implementation` below.
val tfliteArchive: Configuration by configurations.creating

val unpackTflite by
    tasks.registering(Copy::class) {
        from(provider { tfliteArchive.map { zipTree(it) } }) { include("jni/**") }
        into(layout.buildDirectory.dir("tflite"))
    }

android {
    namespace = "io.github.seq2seq"
    compileSdk = 35
    // From version 28 on the NDK aligns to 16 KB by itself; CMakeLists.txt asks older ones to.
    ndkVersion = "28.0.13004108"

    defaultConfig {
        applicationId = "io.github.seq2seq"
        minSdk = 24
        targetSdk = 35
        versionCode = 1
        versionName = "1.0"
        ndk { abiFilters += listOf("arm64-v8a", "x86_64") }
        externalNativeBuild {
            cmake {
                val thirdParty = rootDir.resolve("third_party")
                arguments +=
                    listOf(
                        "-DANDROID_STL=c++_shared",
                        "-DTFLITE_JNI_DIR=${layout.buildDirectory.dir("tflite/jni").get()}",
                        "-DSENTENCEPIECE_SOURCE_DIR=$thirdParty/sentencepiece",
                        "-DNLOHMANN_JSON_INCLUDE_DIR=$thirdParty/include",
                    )
            }
        }
    }

    externalNativeBuild { cmake { path = file("../../CMakeLists.txt") } }

    // The files of a model are mapped into memory from a copy, and hardly shrink in the archive.
    androidResources { noCompress += listOf("tflite", "model") }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    kotlinOptions { jvmTarget = "17" }
}

tasks.configureEach {
    if (name.startsWith("configureCMake") || name.startsWith("buildCMake")) dependsOn(unpackTflite)
}

dependencies {
    implementation(tflite)
    tfliteArchive("$tflite@aar")
    implementation("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.9.0")
}
